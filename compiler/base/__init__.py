"""What all floors stand on: errors, tables, files, the sandbox, targets; no graph is known here."""

"""Mutants of valid files: whatever is in a file, a command ends soon, in one message."""

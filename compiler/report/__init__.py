"""What people look at: tables, figures, saved fields; nothing here computes what it shows."""

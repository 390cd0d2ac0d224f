"""What people look at: tables, figures, saved fields."""

"""What calibrating and rounding passes share; no pass is here."""

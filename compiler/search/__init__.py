"""compile(): which program to try next, and is it proven; no pass and no simulator is here."""

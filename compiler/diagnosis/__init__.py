"""Where an error comes from, and what each pass did; nothing here changes a graph."""

"""The graph: what it is, prints, allows and means; nothing here changes a graph or reads a file."""

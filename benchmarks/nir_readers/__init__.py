"""What importers of NIR make of small graphs and of whole programs."""

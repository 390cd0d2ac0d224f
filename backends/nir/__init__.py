"""NIR, for the importers of other simulators."""

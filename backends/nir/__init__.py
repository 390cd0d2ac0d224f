"""NIR for the importers of other simulators; these run elsewhere and are never imported."""

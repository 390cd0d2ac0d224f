"""Passes that make spiking graphs and bring them to a target; none here looks at errors."""

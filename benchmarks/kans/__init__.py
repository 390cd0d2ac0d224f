"""Kolmogorov-Arnold networks in the five forms that people write them in."""

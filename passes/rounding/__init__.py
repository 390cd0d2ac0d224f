"""Passes that round activations, inputs, weights or sums; training belongs to calibration."""

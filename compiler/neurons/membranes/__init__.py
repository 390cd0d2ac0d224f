"""Biological neuron models, one file each; no neuron here belongs to a coding."""

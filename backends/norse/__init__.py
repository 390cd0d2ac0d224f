"""Simulation with Norse, one file for each kind of neuron; only here is torch imported."""

"""Membrane models measured: against Brian2, by protocols that physiology uses."""

"""Cores as chains that unmodified NIR readers run exactly; no reader is started here."""

"""pinnir: compile trained physics-informed networks to spiking programs."""

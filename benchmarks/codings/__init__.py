"""What the codings cost: error against synaptic operations, energy, and streamed fields."""

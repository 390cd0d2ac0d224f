"""Passes that gather a network into maps, activations, host parts; they change no value."""

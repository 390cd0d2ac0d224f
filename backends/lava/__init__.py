"""Lava processes in the style of Loihi 2."""

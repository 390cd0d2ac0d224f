"""Lava processes in the style of Loihi 2; Lava itself runs elsewhere and is never imported."""

"""Lava processes in the style of Loihi 2: written by ``write.py``, run by ``run.py``."""

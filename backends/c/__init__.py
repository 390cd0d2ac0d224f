"""C99 for microcontrollers: written by ``write.py``, compiled and run by ``run.py``."""

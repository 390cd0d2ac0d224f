"""C99 for microcontrollers."""

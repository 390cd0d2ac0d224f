"""C99 for microcontrollers; nothing here is of another target."""

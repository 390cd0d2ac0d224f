"""One file a reader of NIR, run by ``harness.py`` in the reader's own Python."""

"""SpiNNaker through sPyNNaker: lists written by ``write.py``, mapped and run by ``run.py``."""

"""SpiNNaker through sPyNNaker."""

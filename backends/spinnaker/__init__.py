"""SpiNNaker through sPyNNaker, which runs elsewhere and is never imported."""

"""Scripts and connection lists for sPyNNaker."""

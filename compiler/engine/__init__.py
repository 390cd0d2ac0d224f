"""Cores near the speed of the network: tables, counted spikes; nothing reads a file here."""

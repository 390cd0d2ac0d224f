"""Networks for SANA-FE's model of Loihi."""

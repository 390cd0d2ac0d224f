"""PyNN scripts."""

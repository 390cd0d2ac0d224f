"""What runs spiking cores. A new backend is one file here and one line in the table."""

from __future__ import annotations

"""ONNX to a tensor graph, one file a family of operators; no pass and no rounding is here."""

from pinnir.frontend.reader import Model, read_model
from pinnir.frontend.sources import Source

__all__ = ["Model", "Source", "read_model"]

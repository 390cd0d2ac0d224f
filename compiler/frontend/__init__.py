"""ONNX to a tensor graph, one file a family of operators; no pass and no rounding is here."""

from pinnir.frontend.reader import Model, read_model

__all__ = ["Model", "read_model"]

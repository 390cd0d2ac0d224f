"""ONNX to a tensor graph: one file per family of operators."""

from pinnir.frontend.reader import Model, read_model

__all__ = ["Model", "read_model"]

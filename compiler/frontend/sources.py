"""What a network may be given as: a file, bytes, an ONNX model, or a PyTorch module."""

from __future__ import annotations

import sys
from collections.abc import Collection
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import onnx
from google.protobuf.message import EncodeError

from pinnir.base.errors import FrontendError
from pinnir.frontend.loading import load_isolated

if TYPE_CHECKING:
    import torch

    from pinnir.frontend.torch_modules import Columns

Source: TypeAlias = "str | PathLike[str] | bytes | onnx.ModelProto | torch.nn.Module"


def checked_bytes(source: Source, columns: Columns, operators: Collection[str]) -> bytes:
    """The network as a checked ONNX model with everything inside.

    Args:
        source: The network.
        columns: Of the domain, for a module.
        operators: What the frontend imports.

    Raises:
        FrontendError: If it is none of these, or cannot be compiled whatever it computes.
    """
    if isinstance(source, str | PathLike):
        return load_isolated(str(source), operators, path=Path(source))
    if isinstance(source, bytes):
        return load_isolated("the model given as bytes", operators, data=source)
    if isinstance(source, onnx.ModelProto):
        name = "the given ModelProto"
        return load_isolated(name, operators, data=_serialised(source, name))
    # An object of torch can only be one if torch was imported.
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(source, torch.nn.Module):
        from pinnir.frontend.torch_modules import export

        name = f"the module {type(source).__name__}, as torch exports it,"
        data = _serialised(export(source, columns), name)
        return load_isolated(name, operators, data=data)
    raise FrontendError(
        f"an object of type {type(source).__name__} is no network that pinnir compiles",
        hint="give the path of an .onnx file, its bytes, an onnx.ModelProto or a torch.nn.Module; "
        "docs/from-your-framework.md says how to export others",
    )


def _serialised(proto: onnx.ModelProto, name: str) -> bytes:
    try:
        data: bytes = proto.SerializeToString(deterministic=True)
    except (EncodeError, ValueError) as error:
        raise FrontendError(
            f"{name} cannot be written as bytes; it may be larger than 2 GiB",
            hint="export a smaller network",
        ) from error
    return data

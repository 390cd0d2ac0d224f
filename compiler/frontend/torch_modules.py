"""PyTorch modules: exported to ONNX as they compute a table of points, and left as they were."""

from __future__ import annotations

import importlib.util
import inspect
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

import onnx

from pinnir.base.errors import FrontendError
from pinnir.frontend.protos import forget_notes

if TYPE_CHECKING:
    import torch

# An entry a column: its name, or None if it has none; no entry if any number of columns fits.
Columns: TypeAlias = Sequence[str | None]

# Any number but 0 and 1, which torch takes for constants.
_SAMPLES = 64
_WRAP = (
    "wrap it in a module whose forward has one parameter, a tensor (samples, columns), or one "
    "parameter (samples, 1) a column"
)


def export(module: torch.nn.Module, columns: Columns) -> onnx.ModelProto:
    """The module in evaluation mode as an ONNX model for any number of points.

    What ``forward`` is given depends on its parameters without a default value:

    1. One: a tensor ``(samples, columns)``, in the order of the domain.
    2. As many as the domain has columns: a tensor ``(samples, 1)`` each. The model's inputs, and
       so the columns, are called as the parameters are.

    Args:
        module: On any device, in any mode; afterwards it is as it was.
        columns: Of the domain.

    Raises:
        FrontendError: If neither rule holds, or torch cannot export the module.
    """
    import torch

    if importlib.util.find_spec("onnxscript") is None:
        raise FrontendError(
            "torch exports modules with the package onnxscript, which is not installed",
            hint='run: pip install "pinnir[torch]"',
        )
    inputs = _inputs(module, columns)
    like = _weights(module)
    examples = tuple(like.new_zeros(_SAMPLES, width) for width in inputs.values())
    samples = torch.export.Dim("samples")
    shapes = tuple({0: samples} for _ in examples)
    try:
        with _evaluating(module), _quietly():
            program = torch.export.export(module, examples, dynamic_shapes=shapes, strict=False)
            exported = torch.onnx.export(
                program, dynamo=True, input_names=list(inputs), verbose=False
            )
    except Exception as error:  # tracing runs the user's code, and torch raises anything
        reason = str(error.__cause__ or error).strip().partition("\n")[0]
        raise FrontendError(
            f"torch cannot export the module {_kind(module)}: {reason or type(error).__name__}",
            hint="give the network alone, or the file that torch.onnx.export writes",
        ) from error
    assert exported is not None  # as dynamo was asked for
    proto: onnx.ModelProto = exported.model_proto
    forget_notes(proto)
    return proto


@contextmanager
def _quietly() -> Iterator[None]:
    """Without what torch warns of and logs: what is wrong it says again in what it raises."""
    disabled = logging.root.manager.disable
    try:
        logging.disable()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


def _kind(module: torch.nn.Module) -> str:
    return type(module).__name__


def _inputs(module: torch.nn.Module, columns: Columns) -> dict[str, int]:
    """Name and number of columns of every tensor that ``forward`` is given, in its order."""
    try:
        parameters = inspect.signature(module.forward).parameters.values()
    except (TypeError, ValueError) as error:  # a function of C, or none
        raise FrontendError(
            f"forward of the module {_kind(module)} does not say what its parameters are",
            hint=_WRAP,
        ) from error
    signature = inspect.Signature([one.replace(annotation=one.empty) for one in parameters])
    required = [one for one in parameters if one.default is one.empty]
    names = [one.name for one in required]
    plain = all(one.kind <= one.POSITIONAL_OR_KEYWORD for one in required)
    what = f"forward{signature} of the module {_kind(module)}"
    if not (plain and names and len(names) in (1, len(columns) or len(names))):
        listed = ", ".join("one without a name" if name is None else name for name in columns)
        raise FrontendError(
            f"{what} does not fit the domain's columns ({listed or 'any number'})",
            hint=_WRAP,
        )
    if len(names) > 1:
        return dict.fromkeys(names, 1)
    if not columns:
        raise FrontendError(
            f"{what} takes any number of columns, as the domain does",
            hint='name every column of the domain, as in "x=-1:1,t=0:1"',
        )
    return {names[0]: len(columns)}


def _weights(module: torch.nn.Module) -> torch.Tensor:
    """A tensor of the kind and on the device that the module computes with."""
    import torch
    from torch.nn.parameter import is_lazy

    values = [*module.parameters(), *module.buffers()]
    if any(is_lazy(value) or value.is_meta for value in values):
        raise FrontendError(
            f"the module {_kind(module)} has weights without values",
            hint="load or train them first",
        )
    floating = [value for value in values if value.is_floating_point()]
    return floating[0].detach() if floating else torch.zeros(())


@contextmanager
def _evaluating(module: torch.nn.Module) -> Iterator[None]:
    """Every part of the module in evaluation mode for a while; then its attributes are as before.

    Without calling ``eval``, which modules may define anew; and what ``forward`` keeps on the
    module while it is traced is no value.
    """
    before = {part: dict(vars(part)) for part in module.modules()}
    try:
        for part in before:
            part.training = False
        yield
    finally:
        for part, own in before.items():
            vars(part).clear()
            vars(part).update(own)

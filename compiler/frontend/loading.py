"""From an ONNX file, or its bytes, to a checked model with everything inside.

:func:`load` runs in a child process (``base/sandbox.py``); :func:`load_isolated` starts it. Modules
that this one imports take part in that start, so they are few and light.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection
from math import prod
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from pinnir.base.errors import BackendError, FrontendError
from pinnir.base.onnx_trial import rehearse
from pinnir.frontend.batch_rounding import without_batch_rounding
from pinnir.frontend.external import load_external
from pinnir.frontend.functions import inline_functions
from pinnir.frontend.protos import DEFAULT_DOMAINS, has_bad_text, operator_name

_ANY_SIZE = 7
# Older operator sets, down to the first that it knows well, go through ONNX's own converter.
OLDEST_OPSET, _OLDEST_CONVERTED = 9, 6
# Beyond these, a size is an accident: points are spread over every column of the domain, and a
# model for a fixed batch is run on no fewer points than that.
MOST_COLUMNS = 1024
_LARGEST_BATCH = 2**16
# What other files begin with.
_OTHER_FORMATS = {
    b"PK\x03\x04": "a zip archive, as PyTorch (.pt) and Keras (.keras) save",
    b"\x89HDF": "an HDF5 file, as Keras (.h5) saves",
    b"\x80\x02": "a pickle, as PyTorch and scikit-learn save",
    b"\x80\x03": "a pickle, as PyTorch and scikit-learn save",
    b"\x80\x04": "a pickle, as PyTorch and scikit-learn save",
    b"\x80\x05": "a pickle, as PyTorch and scikit-learn save",
    b"pinnir program": "a program that pinnir compiled",
}
_EXPORT = (
    "export the network to ONNX, as docs/from-your-framework.md says; pinnir.compile also takes a "
    "torch.nn.Module"
)


def load_isolated(
    name: str, operators: Collection[str], *, path: Path | None = None, data: bytes = b""
) -> bytes:
    """What :func:`load` gives, from a process that may fail in any way.

    Args:
        name: What error messages call the model.
        operators: What the frontend imports.
        path: Its file, if it has one.
        data: Else the model.

    Raises:
        FrontendError: As :func:`load`, and if ONNX or ONNX Runtime crash, hang, or need too much
            memory.
    """
    from pinnir.base.sandbox import run_isolated

    size, known = len(data) if path is None else _find(path), sorted(operators)
    return run_isolated(
        "pinnir.frontend.loading:load",
        name,
        FrontendError,
        data=data,
        size=size,
        name=name,
        path=None if path is None else str(path),
        operators=known,
    )


def _find(path: Path) -> int:
    """Size of the model file."""
    try:
        if path.is_file():
            return path.stat().st_size
        problem = "does not exist"
        if path.exists():
            problem = "is a folder" if path.is_dir() else "is not an ordinary file"
    except (OSError, ValueError) as error:
        problem = f"cannot be read ({getattr(error, 'strerror', None) or error})"
    raise FrontendError(f"the model file {path} {problem}", hint="give the path of an .onnx file")


def load(data: bytes, name: str, path: str | None, operators: list[str]) -> bytes:
    """Read, complete, check and try a model.

    Args:
        data: The model, if it has no file.
        name: What error messages call it.
        path: Its file, if it has one.
        operators: What the frontend imports.

    Returns:
        The model with its weights inside, its functions inlined, and without rounding that depends
        on the batch.

    Raises:
        FrontendError: If the file is damaged, not ONNX, or cannot be compiled whatever it computes.
    """
    file = None if path is None else Path(path)
    try:
        proto = _parse(data if file is None else _read(file), name)
        load_external(proto, file, name)
        proto = _converted(inline_functions(proto, name), name)
        without_batch_rounding(proto)
        _check(proto, name)
        _check_inputs(proto)
        complete: bytes = proto.SerializeToString(deterministic=True)
        if all(operator_name(node) in operators for node in proto.graph.node):
            rehearse(complete, "model")  # others are refused at first sight
    except UnicodeDecodeError as error:  # protobuf decodes names when they are first read
        raise not_onnx(name, str(error)) from error
    except BackendError as error:
        raise FrontendError(error.message, hint=error.hint) from error
    return complete


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FrontendError(
            f"the model file {path} cannot be read ({error.strerror})",
            hint="give the path of an .onnx file",
        ) from error


def _parse(data: bytes, name: str) -> onnx.ModelProto:
    for start, kind in _OTHER_FORMATS.items():
        if data.startswith(start):
            raise FrontendError(f"{name} is not an ONNX model but {kind}", hint=_EXPORT)
    try:
        proto = onnx.load_from_string(data)
    except (DecodeError, ValueError) as error:
        raise not_onnx(name, "its protobuf cannot be parsed") from error
    if not proto.graph.node or not proto.opset_import:
        raise not_onnx(name, "it holds no graph")
    if has_bad_text(proto):
        raise not_onnx(name, "it holds text that is not UTF-8")
    del proto.training_info[:]  # nothing of it is compiled, and it may name data files too
    return proto


def not_onnx(name: str, why: str) -> FrontendError:
    """The error for a file that is something else, or damaged."""
    return FrontendError(
        f"{name} is not a readable ONNX model ({why})",
        hint="the file may be truncated or of another format; export it again",
    )


def _converted(proto: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """The model in the oldest operator set that pinnir reads, if it is somewhat older."""
    opset = opset_of(proto)
    if not _OLDEST_CONVERTED <= opset < OLDEST_OPSET:
        return proto
    from onnx.shape_inference import InferenceError
    from onnx.version_converter import convert_version

    # It wants to know how large values are that are broadcast, also along open dimensions.
    closed, own = onnx.ModelProto(), (*proto.graph.input, *proto.graph.output)
    closed.CopyFrom(proto)
    del closed.graph.value_info[:]
    for value in (*closed.graph.input, *closed.graph.output):
        for dim in value.type.tensor_type.shape.dim:
            if not dim.HasField("dim_value"):
                dim.dim_value = _ANY_SIZE
    try:
        converted = convert_version(closed, OLDEST_OPSET)
        types = {value.name: value.type for value in own}
        for value in (*converted.graph.input, *converted.graph.output):
            value.type.CopyFrom(types[value.name])
        del converted.graph.value_info[:]
        return converted
    except (KeyError, RuntimeError, InferenceError, onnx.checker.ValidationError) as error:
        # What an assertion of the converter says follows after its place in the code.
        reason = str(error).strip().splitlines()[0].rpartition("failed: ")[2].strip()
        raise FrontendError(
            f"{name} uses operator set {opset}, and ONNX cannot convert it to {OLDEST_OPSET}: "
            f"{reason}",
            hint=f"export with opset {OLDEST_OPSET} or newer",
        ) from error


def _check(proto: onnx.ModelProto, name: str) -> None:
    opset = opset_of(proto)
    if opset < OLDEST_OPSET:
        raise FrontendError(
            f"{name} uses operator set {opset}", hint=f"export with opset {OLDEST_OPSET} or newer"
        )
    sparse = [tensor.values.name for tensor in proto.graph.sparse_initializer]
    if sparse:
        raise FrontendError(
            "is sparse", node=sparse[0], op="initializer", hint="export dense weights"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            onnx.checker.check_model(proto)
    except onnx.checker.ValidationError as error:
        raise FrontendError(
            f"{name} is not a valid ONNX model: {str(error).strip().splitlines()[0]}",
            hint="export it again",
        ) from error


def opset_of(proto: onnx.ModelProto) -> int:
    """Version of the default operator set."""
    versions = [o.version for o in proto.opset_import if o.domain in DEFAULT_DOMAINS]
    return versions[0] if versions else 0


def _check_inputs(proto: onnx.ModelProto) -> None:
    """Sizes that are none; initialisers that are listed as inputs have sizes of their own."""
    weights = {tensor.name for tensor in proto.graph.initializer}
    columns = 0
    for value in proto.graph.input:
        dims = value.type.tensor_type.shape.dim
        sizes = [dim.dim_value if dim.HasField("dim_value") else 1 for dim in dims]
        if value.name in weights:
            continue
        if min(sizes, default=1) < 1:
            raise bad_input(
                value, f"has the size {min(sizes)}", "export it with a dynamic or positive size"
            )
        batch = prod(sizes[: max(1, len(sizes) - 1)])
        if batch > _LARGEST_BATCH:
            raise bad_input(
                value, f"has a fixed batch of {batch:,} points", "export it with a dynamic batch"
            )
        columns += sizes[-1] if len(sizes) == 2 else 0
        if columns > MOST_COLUMNS:
            problem = f"makes {columns:,} columns of input; pinnir takes up to {MOST_COLUMNS}"
            raise bad_input(value, problem, "export a network of the coordinates")


def bad_input(value: onnx.ValueInfoProto, problem: str, hint: str) -> FrontendError:
    """The error about an input of the model."""
    return FrontendError(problem, node=value.name, op="Input", hint=hint)

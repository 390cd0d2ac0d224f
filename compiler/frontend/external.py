"""Weights kept beside the model: read from its folder, and from nowhere else."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath

import onnx

from pinnir.base.errors import FrontendError
from pinnir.base.sandbox_child import allow
from pinnir.frontend.protos import tensors

# What one ONNX model with all its weights inside can hold.
_LARGEST = 2**31 - 2**20


def load_external(proto: onnx.ModelProto, path: Path | None, name: str) -> None:
    """Put the weights that the model keeps in data files into the model.

    Args:
        proto: The model.
        path: Its file; the folder of one that was given as a message or as bytes is not known.
        name: What error messages call it.

    Raises:
        FrontendError: If a file lies outside the model's folder, is missing or too short, or if the
            folder is not known.
    """
    waiting = [t for t in tensors(proto) if t.data_location == onnx.TensorProto.EXTERNAL]
    if path is None:
        if waiting:
            raise _homeless(waiting[0])
        return
    folder = path.resolve().parent
    files = {tensor.name: _find(tensor, folder, path) for tensor in waiting}
    allow(sum(file.stat().st_size for file in set(files.values())))
    total = proto.ByteSize()
    for tensor in waiting:
        data = _read(tensor, files[tensor.name])
        total += len(data)
        if total > _LARGEST:
            raise FrontendError(
                f"{name} with its weights is larger than 2 GiB", hint="export a smaller network"
            )
        tensor.raw_data = data
        tensor.data_location = onnx.TensorProto.DEFAULT
        del tensor.external_data[:]


def _entry(tensor: onnx.TensorProto, key: str) -> str:
    return next((entry.value for entry in tensor.external_data if entry.key == key), "")


def _find(tensor: onnx.TensorProto, folder: Path, path: Path) -> Path:
    location = _entry(tensor, "location")
    absolute = PurePosixPath(location).is_absolute() or bool(PureWindowsPath(location).drive)
    try:
        target = (folder / location).resolve()
        inside = folder in target.parents
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a NUL in the name
        raise _unreadable(tensor, str(error)) from error
    if not location or absolute or not inside:
        problem = f"its data file {location!r} lies outside the model's folder"
        hint = "put the data file beside the model, or export with the weights inside"
        raise _refusal(tensor, problem, hint)
    try:
        found = target.is_file()
    except OSError as error:  # the name is too long
        raise _unreadable(tensor, str(error.strerror)) from error
    if not found:
        problem = "is not an ordinary file" if target.exists() else "is missing"
        raise _refusal(
            tensor, f"its data file {location!r} {problem}", f"put it into {path.parent}"
        )
    return target


def _read(tensor: onnx.TensorProto, file: Path) -> bytes:
    try:
        offset, length = int(_entry(tensor, "offset") or 0), _entry(tensor, "length")
        size = file.stat().st_size
        wanted = int(length) if length else size - offset
    except ValueError as error:
        raise _unreadable(tensor, str(error)) from error
    if min(offset, wanted) < 0 or offset + wanted > size:
        raise _unreadable(tensor, f"bytes {offset} to {offset + wanted} of {size} are asked for")
    try:
        with file.open("rb") as data:
            data.seek(offset)
            return data.read(wanted)
    except OSError as error:
        raise _unreadable(tensor, str(error.strerror)) from error


def _homeless(tensor: onnx.TensorProto) -> FrontendError:
    location = _entry(tensor, "location")
    return _refusal(
        tensor,
        f"its data file {location!r} cannot be found without the model's own file",
        "give the path of the .onnx file; or what onnx.load makes of it, with the data inside",
    )


def _unreadable(tensor: onnx.TensorProto, why: str) -> FrontendError:
    location = _entry(tensor, "location")
    return _refusal(
        tensor, f"its data file {location!r} cannot be read: {why}", "export the model again"
    )


def _refusal(tensor: onnx.TensorProto, problem: str, hint: str) -> FrontendError:
    return FrontendError(problem, node=tensor.name, op="initializer", hint=hint)

"""Whether the contents of a program file are harmless; runs in a child of ``base/sandbox.py``.

HDF5 files may link to other files, keep data in them, ask for filters that are loaded from
libraries, and hold loops; ONNX models may name data files. pinnir writes nothing of this.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import h5py
import msgspec
import numpy as np
import onnx
from google.protobuf.message import DecodeError

from pinnir.base.errors import ProgramFileError
from pinnir.base.hdf5 import pieces, stored_bytes, stored_chunks
from pinnir.base.onnx_trial import rehearse
from pinnir.base.sandbox_child import allow
from pinnir.frontend.protos import has_bad_text, operator_name, tensors

GROUP, FORMS = "pinnir", "forms"
# Forms of weights (``nir_weights.py``) of which a file may hold a part, all else being zeros.
BLOCKS, COPIES = "blocks", "copies"
_DEEPEST, _MOST_OBJECTS = 12, 100_000
# Empty in a program that has no form in NIR.
_EDGES = "/node/edges"
_FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE}
# No deflated data grow more than that; what would is not there but filled in.
_MOST_GROWTH = 1100
# Bytes that say the forms of weights.
_MOST_TOLD = 2**24


def check(data: bytes, name: str, operators: list[str]) -> bytes:
    """Read everything that a program file holds, and try the ONNX models in it.

    Args:
        data: The file without its seal.
        name: Of the file, for error messages.
        operators: What host parts and source network may consist of.

    Raises:
        ProgramFileError: If something is there that pinnir does not write.
    """
    try:
        file = h5py.File(io.BytesIO(data), "r")
    except OSError as error:
        raise damaged(name, f"no readable HDF5: {error}") from error
    with file:
        if GROUP not in file:
            raise damaged(name, f"it has no group {GROUP!r}")
        datasets = dict(_datasets(file, name))
        allow(sum(map(stored_bytes, datasets.values())))
        models = {}
        for path, found in datasets.items():
            for _, value in pieces(found):
                if found.dtype.kind == "f" and np.isnan(value).any():
                    raise damaged(name, f"{path} holds NaN")
            _, _, part = path.partition(f"/{GROUP}/")
            if part == "source" or part.startswith("host."):
                models[part] = np.asarray(found[()]).tobytes()
    for part, model in models.items():
        _check_model(model, part, name, operators)
    return b""


def damaged(name: str, why: object) -> ProgramFileError:
    """The error for a program file that holds something else than pinnir writes."""
    return ProgramFileError(f"{name} is damaged ({why})", hint="compile it again")


def _datasets(file: h5py.File, name: str) -> Iterator[tuple[str, h5py.Dataset]]:
    """All datasets with their paths, once what holds them is found to be plain."""
    waiting: list[tuple[str, h5py.Group]] = [("", file)]
    sparse = _sparse_weights(file)
    seen = 0
    while waiting:
        path, group = waiting.pop()
        for key in group:
            here = f"{path}/{key}"
            seen += 1
            if seen > _MOST_OBJECTS or here.count("/") > _DEEPEST:
                raise damaged(name, "it holds too many objects")
            if group.id.links.get_info(key.encode()).type != h5py.h5l.TYPE_HARD:
                raise damaged(name, f"{here} is a link")
            item = group[key]
            if isinstance(item, h5py.Group):
                waiting.append((here, item))
            elif isinstance(item, h5py.Dataset):
                _check_dataset(item, here, name, sparse=here in sparse)
                yield here, item
            else:
                raise damaged(name, f"{here} is neither group nor dataset")


def _sparse_weights(file: h5py.File) -> set[str]:
    """Paths of the weights that are read piece by piece, as the file says itself."""
    told = file[GROUP].get(FORMS)
    if not isinstance(told, h5py.Dataset) or told.dtype != np.uint8 or told.nbytes > _MOST_TOLD:
        return set()
    try:
        forms = msgspec.json.decode(told[()].tobytes(), type=dict[str, dict[str, int | str]])
    except msgspec.MsgspecError:
        return set()  # whoever reads them says so
    return {
        f"/node/nodes/{node}/weight"
        for node, form in forms.items()
        if BLOCKS in form or COPIES in form
    }


def _check_dataset(item: h5py.Dataset, path: str, name: str, *, sparse: bool) -> None:
    plist = item.id.get_create_plist()
    if plist.get_layout() == h5py.h5d.VIRTUAL or plist.get_external_count():
        raise damaged(name, f"the data of {path} are in another file")
    if not _FILTERS.issuperset(plist.get_filter(i)[0] for i in range(plist.get_nfilters())):
        raise damaged(name, f"the data of {path} need another filter")
    if item.dtype.kind not in "biuf" and h5py.check_string_dtype(item.dtype) is None:
        raise damaged(name, f"{path} holds {item.dtype}")
    if not item.size and path != _EDGES:
        raise damaged(name, f"{path} is empty")
    held = stored_bytes(item)
    large = held > 2**16 + _MOST_GROWTH * item.id.get_storage_size() or np.any(item.fillvalue)
    if large or (held < item.nbytes and not (sparse and _holds_all_rows(item))):
        raise damaged(name, f"{path} is larger than its data")


def _holds_all_rows(item: h5py.Dataset) -> bool:
    """Whether something is stored of every row of chunks."""
    rows = {place[0] for place in stored_chunks(item)}
    needed: int = -(-item.shape[0] // item.chunks[0])
    return len(rows) == needed


def _check_model(data: bytes, part: str, name: str, operators: list[str]) -> None:
    try:
        proto = onnx.load_from_string(data)
        foreign = sorted({operator_name(node) for node in proto.graph.node} - set(operators))
        if foreign:
            raise damaged(name, f"{part} holds the operators {', '.join(foreign)}")
        if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in tensors(proto)):
            raise damaged(name, f"{part} keeps its weights in another file")
        if proto.functions or proto.training_info or has_bad_text(proto):
            raise damaged(name, f"{part} is not a model of pinnir")
        onnx.checker.check_model(proto)
    except (DecodeError, UnicodeDecodeError, onnx.checker.ValidationError) as error:
        raise damaged(name, f"{part}: {str(error).strip().splitlines()[0]}") from error
    rehearse(data, part)

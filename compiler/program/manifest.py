"""What a program file's manifest must say, checked before anything uses it."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from pinnir.base.chips import CHIPS
from pinnir.base.errors import ProgramFileError
from pinnir.diagnosis.error_budget import BUDGET_FIELDS, LAYER_FIELDS

MOST_STEPS = 2**16
_MOST_AXES = 16
_MOST_UNITS = 2**24
_LABEL = re.compile(r"(host|core)\.\d{1,4}")
_PASS = {"name": str, "call": str, "neurons": int, "synapses": int,
         "error_before": float, "error_after": float}  # fmt: skip
_PLACEMENT = ("chip", "chips", "cores", "greedy", "messages", "method")
_COST = ("macs", "core_macs", "activations")
_LARGEST = 1e300
_LAYER_SIZES = tuple({*LAYER_FIELDS} - {"name", "core", "neurons", "units"})
_BUDGET_SIZES = tuple({*BUDGET_FIELDS} - {"layers", "incomparable", "points"})
_TEXTS = ("coding", "target", "pipeline", "dtype")


def check_manifest(told: Any) -> None:
    """Find out whether a manifest is one that pinnir wrote.

    Raises:
        ProgramFileError: Naming the first entry that is missing or cannot be right.
    """
    _need(isinstance(told, dict), "")
    _need(_encodable(told), "")
    for name in _TEXTS:
        _need(isinstance(told.get(name), str), name)
    _need(_is_int(told.get("steps"), 1, MOST_STEPS), "steps")
    _need(told.get("read_out") in ("last", "mean"), "read_out")
    _need(isinstance(told.get("metrics", {}), dict), "metrics")
    _need(_are_errors(told.get("metrics", {})), "metrics")
    _need(_is_budget(told.get("budget")), "budget")
    _need(_is_placement(told.get("placement")), "placement")
    _need(_are_segments(told.get("segments")), "segments")
    _need(_are_texts(told.get("outputs")), "outputs")
    _need(_are_inputs(told.get("inputs")), "inputs")
    _need(_is_domain(told.get("domain"), sum(n for _, n in told["inputs"])), "domain")
    _need(_are_layouts(told.get("layouts"), _named(told)), "layouts")
    _need(_fit_domain(told), "layouts")
    _need(_is_cost(told.get("cost")), "cost")
    passes = told.get("passes")
    _need(isinstance(passes, list) and all(map(_is_pass, passes)), "passes")


def _need(good: bool, entry: str) -> None:
    if not good:
        what = f"the entry {entry!r} of its manifest" if entry else "its manifest"
        raise ProgramFileError(f"{what} is missing or wrong")


def _encodable(told: Any) -> bool:
    """Escapes in JSON can spell half characters, which no terminal or file takes."""
    try:
        json.dumps(told, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_int(value: Any, low: int, high: int = 2**53) -> bool:
    return type(value) is int and low <= value <= high


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _are_errors(metrics: dict[str, Any]) -> bool:
    seeds = metrics.get("rel_l2_seeds", [])
    single = [metrics.get(name, 0.0) for name in ("rel_l2", "rel_l2_upper")]
    return isinstance(seeds, list) and all(map(_is_number, [*single, *seeds]))


def _is_budget(value: Any) -> bool:
    """An error budget as ``Budget.told`` writes it; older programs have none."""
    if value is None:
        return True
    if not isinstance(value, dict) or value.keys() != set(BUDGET_FIELDS):
        return False
    layers, why = value["layers"], value["incomparable"]
    return (
        isinstance(layers, list)
        and all(map(_is_layer, layers))
        and (why is None or isinstance(why, str))
        and _is_int(value["points"], 1)
        and all(map(_is_size, (value[name] for name in _BUDGET_SIZES)))
    )


def _is_placement(value: Any) -> bool:
    """A placement as ``Placement.told`` writes it; most programs have none."""
    if value is None:
        return True
    if not isinstance(value, dict) or sorted(value) != sorted(_PLACEMENT):
        return False
    cores = value["cores"]
    return (
        value["chip"] in CHIPS
        and _is_int(value["chips"], 1)
        and _is_size(value["messages"])
        and (value["greedy"] is None or _is_size(value["greedy"]))
        and isinstance(value["method"], str)
        and isinstance(cores, dict)
        and all(isinstance(runs, list) and all(map(_is_run, runs)) for runs in cores.values())
        and sum(units for runs in cores.values() for _, units in runs) <= _MOST_UNITS
    )


def _is_run(value: Any) -> bool:
    """``[core, units]``."""
    pair = isinstance(value, list) and len(value) == 2
    return pair and _is_int(value[0], 0, _MOST_UNITS) and _is_int(value[1], 1, _MOST_UNITS)


def _is_layer(value: Any) -> bool:
    if not isinstance(value, dict) or value.keys() != set(LAYER_FIELDS):
        return False
    return (
        isinstance(value["name"], str)
        and isinstance(value["core"], str)
        and _is_int(value["neurons"], 1)
        and (value["units"] is None or _is_int(value["units"], 0))
        and all(map(_is_size, (value[name] for name in _LAYER_SIZES)))
    )


def _is_size(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= _LARGEST


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, str) for v in value)


def _are_segments(value: Any) -> bool:
    """``[label, inputs, outputs]`` each, all with labels of their own."""
    if not isinstance(value, list) or not value:
        return False
    if not all(isinstance(item, list) and len(item) == 3 for item in value):
        return False
    labels = [label for label, _, _ in value]
    if not all(isinstance(label, str) and _LABEL.fullmatch(label) for label in labels):
        return False
    named = all(_are_texts(inputs) and _are_texts(outputs) for _, inputs, outputs in value)
    return named and len(set(labels)) == len(labels)


def _are_inputs(value: Any) -> bool:
    """``[name, columns]`` each."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, list) and len(item) == 2 for item in value)
        and all(isinstance(name, str) and _is_int(size, 1, 2**16) for name, size in value)
    )


def _named(told: dict[str, Any]) -> set[str]:
    """Values that parts of the program take and give."""
    ports = {name for _, *both in told["segments"] for names in both for name in names}
    return ports | set(told["outputs"]) | {name for name, _ in told["inputs"]}


def _are_layouts(value: Any, names: set[str]) -> bool:
    """A layout for each of the names: sizes, and lists of sample axes."""
    return (
        isinstance(value, dict)
        and names <= value.keys()
        and all(isinstance(layout, list) and len(layout) <= _MOST_AXES for layout in value.values())
        and all(_is_dim(dim) for layout in value.values() for dim in layout)
        and all(_differ([a for dim in layout if isinstance(dim, list) for a in dim])
                for layout in value.values())
    )  # fmt: skip


def _is_dim(dim: Any) -> bool:
    if isinstance(dim, list):
        return bool(dim) and all(_is_int(axis, 0, _MOST_AXES) for axis in dim)
    return _is_int(dim, 1, 2**31)


def _differ(axes: list[int]) -> bool:
    return len(set(axes)) == len(axes)


def _fit_domain(told: dict[str, Any]) -> bool:
    """Whether every input runs along one axis, the domain's, and no value along another."""
    axes = told["domain"][3] or [0] * len(told["domain"][0])
    first = 0
    for name, columns in told["inputs"]:
        along = axes[first : first + columns]
        first += columns
        if any(told["layouts"][name] != [[axis], columns] for axis in along):
            return False
    return all(
        axis in axes
        for layout in told["layouts"].values()
        for dim in layout
        if isinstance(dim, list)
        for axis in dim
    )


def _is_domain(value: Any, columns: int) -> bool:
    """``[names, low, high, axes]`` with finite bounds, as many as the inputs have columns."""
    if not isinstance(value, list) or len(value) != 4:
        return False
    names, low, high, axes = value
    if not isinstance(axes, list) or len(axes) not in (0, columns):
        return False
    if not all(_is_int(axis, 0, _MOST_AXES) for axis in axes):
        return False
    if axes and set(axes) != set(range(max(axes) + 1)):
        return False
    if not _are_texts(names) or not isinstance(low, list) or not isinstance(high, list):
        return False
    if not len(names) == len(low) == len(high) == columns:
        return False
    bounds = zip(low, high, strict=True)
    return all(
        _is_number(a) and _is_number(b) and a < b and math.isfinite(float(b) - float(a))
        for a, b in bounds
    )


def _is_cost(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and sorted(value) == sorted(_COST)
        and all(_is_int(value[key], 1) for key in _COST)
        and value["core_macs"] <= value["macs"]
    )


def _is_pass(value: Any) -> bool:
    if not isinstance(value, dict) or value.keys() != _PASS.keys():
        return False
    return all(
        _is_number(value[key]) if kind is float else type(value[key]) is kind
        for key, kind in _PASS.items()
    )

"""One neuron model or one shape of graph each, and what NIR's documentation says of it.

Integration is by Euler steps of ``dt``: a neuron adds, fires if ``v > v_threshold``, and is set to
``v_reset``; spikes arrive in the same step, over an edge that closes a loop in the next one. All
numbers are multiples of 1/64 and exact in single precision; thresholds lie between them, so that
``>`` and ``>=`` are the same, but for the case that asks for the difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import nir
import numpy as np

from benchmarks.nir_readers.cases import Case, written
from pinnir.backends.nir.reader_process import ReaderJob
from pinnir.backends.nir.stock.stock import DT, threshold_units
from pinnir.numerics.matrix import Array

_UNITS, _STEPS, _SAMPLES = 4, 40, 16
_ONES, _ZEROS = np.ones(_UNITS), np.zeros(_UNITS)
_BETWEEN = 1 / 128
_THRESHOLD = 1 + _BETWEEN
_Edges = list[tuple[str, str]]


def _eighths(seed: int, *shape: int) -> Array:
    """Multiples of 1/8 between -1 and 1."""
    found: Array = np.random.default_rng(seed).integers(-8, 9, shape) / 8
    return found


_X = _eighths(0, _SAMPLES, 2)
_IN, _BIAS, _OUT = _eighths(1, _UNITS, 2), _eighths(2, _UNITS), _eighths(3, 1, _UNITS)
_INNER = _eighths(4, _UNITS, _UNITS)
_CURRENT = _X @ _IN.T + _BIAS
_ENTRY = nir.Affine(weight=_IN, bias=_BIAS)
_EXIT = nir.Affine(weight=_OUT, bias=np.zeros(1))
_INNER_MAP = nir.Affine(weight=_INNER, bias=np.zeros(_UNITS))


def kind_cases() -> list[Case]:
    """All of them."""
    return [*_integrators(), *_memoryless(), *_shapes()]


def _integrators() -> list[Case]:
    threshold = _THRESHOLD * _ONES
    whole = {"v_leak": _ZEROS, "v_threshold": threshold, "v_reset": _ZEROS}
    return [
        _chain(
            "if_unit",
            "`IF`, r = 1, dt = 1",
            nir.IF(r=_ONES, v_threshold=threshold, v_reset=_ZEROS),
            _integrated(1.0),
            1.0,
        ),
        _chain(
            "if_dt",
            "`IF`, r = 1/dt",
            nir.IF(r=_ONES / DT, v_threshold=threshold, v_reset=_ZEROS),
            _integrated(1.0),
        ),
        _chain(
            "lif",
            "`LIF`, tau = 2 dt, r = 1",
            nir.LIF(tau=2 * DT * _ONES, r=_ONES, **whole | {"v_threshold": threshold / 2}),
            _integrated(0.5, gain=0.5, threshold=_THRESHOLD / 2),
        ),
        _chain(
            "lif_gain",
            "`LIF`, tau = 2 dt, r = 2",
            nir.LIF(tau=2 * DT * _ONES, r=2 * _ONES, **whole),
            _integrated(0.5),
        ),
        _chain(
            "cubalif",
            "`CubaLIF`, tau = 2 dt, r = w_in = 2",
            nir.CubaLIF(
                tau_syn=2 * DT * _ONES, tau_mem=2 * DT * _ONES, r=2 * _ONES, w_in=2 * _ONES, **whole
            ),
            _integrated(0.5, synapse=True),
        ),
    ]


def _integrated(
    kept: float, *, gain: float = 1.0, threshold: float = _THRESHOLD, synapse: bool = False
) -> Array:
    """Spikes ``(steps, samples, units)`` of units that keep a share of their potential."""
    potential, current = np.zeros_like(_CURRENT), np.zeros_like(_CURRENT)
    spikes = []
    for _ in range(_STEPS):
        current = kept * current + _CURRENT if synapse else _CURRENT
        potential = kept * potential + gain * current
        fired = (potential > threshold).astype(np.float64)
        potential = potential * (1 - fired)
        spikes.append(fired)
    return np.stack(spikes)


def _memoryless() -> list[Case]:
    fired = _held(_fires(_CURRENT))
    ties = _held((_CURRENT > 0.25).astype(np.float64))
    return [
        _chain("memoryless", "`CubaLIF`, tau = dt, r = w_in = 1", _unit(), fired),
        _chain("ties", "the same, inputs equal to the threshold", threshold_units(_ONES / 4), ties),
        _chain("threshold", "`Threshold`", nir.Threshold((0.25 + _BETWEEN) * _ONES), fired),
        _chain(
            "scale",
            "`Scale` before `CubaLIF`",
            _unit(),
            _held(_fires(_CURRENT / 2)),
            before=nir.Scale(_ONES / 2),
        ),
    ]


def _shapes() -> list[Case]:
    """Graphs of memoryless units that are no chains."""
    first = _fires(_CURRENT)
    second = _fires(first @ _INNER.T)
    looped = [_fires(_CURRENT)]
    while len(looped) < _STEPS:
        looped.append(_fires(_CURRENT + looped[-1] @ _INNER.T))
    row = [("input", "entry"), ("entry", "n"), ("n", "exit"), ("exit", "output")]
    loop = [("n", "inner"), ("inner", "n")]
    unit, other = {"n": _unit()}, {"n": _unit(), "m": _unit()}
    inner = {"inner": _INNER_MAP}
    behind = [
        ("input", "entry"),
        ("entry", "n"),
        ("n", "inner"),
        ("inner", "m"),
        ("m", "exit"),
        ("exit", "output"),
    ]
    fan_in = [
        ("input", "entry"),
        ("input", "entry2"),
        ("entry", "n"),
        ("entry2", "m"),
        ("n", "exit"),
        ("m", "exit"),
        ("exit", "output"),
    ]
    opposite = {"entry2": nir.Affine(weight=-_IN, bias=_BIAS)}
    both = first + _fires(-_X @ _IN.T + _BIAS)
    return [
        _graph("chain", "two populations in a row", other | inner, behind, _held(second)),
        _graph(
            "loop_first",
            "loop n, `Affine`, n; its edges first",
            unit | inner,
            loop + row,
            np.stack(looped),
        ),
        _graph("loop_last", "the same, its edges last", unit | inner, row + loop, np.stack(looped)),
        _graph("fan_in", "two branches that are summed", other | opposite, fan_in, _held(both)),
        _graph(
            "skip_last",
            "a synapse that skips a population, its edge last",
            other | inner,
            [*behind, ("n", "exit")],
            _held(first + second),
        ),
        _graph(
            "skip_first",
            "the same, its edge first",
            other | inner,
            [("n", "exit"), *behind],
            _held(first + second),
        ),
    ]


def _unit() -> nir.CubaLIF:
    return threshold_units((0.25 + _BETWEEN) * _ONES)


def _fires(current: Array) -> Array:
    fired: Array = (current > 0.25 + _BETWEEN).astype(np.float64)
    return fired


def _held(spikes: Array) -> Array:
    return np.repeat(spikes[None], _STEPS, axis=0)


def _chain(
    name: str,
    about: str,
    node: nir.NIRNode,
    spikes: Array,
    dt: float = DT,
    before: nir.NIRNode | None = None,
) -> Case:
    nodes: dict[str, nir.NIRNode] = {"n": node}
    row = ["input", "entry", "n", "exit", "output"]
    if before is not None:
        nodes["before"] = before
        row.insert(2, "before")
    return _graph(name, about, nodes, list(pairwise(row)), spikes, dt)


def _graph(
    name: str,
    about: str,
    nodes: Mapping[str, nir.NIRNode],
    edges: _Edges,
    spikes: Array,
    dt: float = DT,
) -> Case:
    """A case of inner nodes between the input's map and the output's.

    Args:
        name: Of the case.
        about: Of the case.
        nodes: But for ``input``, ``entry``, ``exit`` and ``output``.
        edges: In the order of the file.
        spikes: What reaches the last map, ``(steps, samples, units)``.
        dt: Time step that readers are told.
    """
    ends = {
        "input": nir.Input(input_type=np.array([2])),
        "entry": _ENTRY,
        "exit": _EXIT,
        "output": nir.Output(output_type=np.array([1])),
    }
    data = written(nir.NIRGraph(ends | nodes, edges))
    return Case(name, about, ReaderJob(data, _X, _STEPS, dt), spikes @ _OUT.T)

"""Random uses of matrix products, reductions and normalisations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pinnir.numerics.operators import OPERATORS
from tests.random_ops.builder import INTEGERS, Builder, Value

# equation, ranks of the operands; letters stand for sizes
EQUATIONS = (
    ("ij,jk->ik", 2, 2),
    ("bi,ni->bn", 2, 2),
    ("ij,ij->i", 2, 2),
    ("ij,ij->", 2, 2),
    ("ij,kj", 2, 2),
    ("ij->ji", 2),
    ("ij->j", 2),
    ("i,j->ij", 1, 1),
    ("bij,bjk->bik", 3, 3),
    ("...i,ij->...j", 3, 2),
    ("...i,ij->...j", 2, 2),
    ("nc,nc,nc->n", 2, 2, 2),
    ("ijk->kij", 3),
    ("i,i->", 1, 1),
    ("ni,io->no", 2, 2),
    ("oi,ni->on", 2, 2),
    # as ensembles are written: members e, samples n
    ("ni,eio->eno", 2, 3),
    ("ni,eio->neo", 2, 3),
    ("eni,eio->eno", 3, 3),
    ("nei,eio->neo", 3, 3),
    ("e,eno->no", 1, 3),
)


def _product_of(
    b: Builder, kind: str, operands: list[Value], shape: tuple[int, ...], terms: int, **options: Any
) -> None:
    """Add a product of the operands, summed over ``terms`` terms."""
    bound, error = float(terms), 0.0
    for value in operands:
        error = error * value.bound + bound * value.error
        bound *= value.bound
    grid = sum(value.grid for value in operands)
    b.like(kind, operands, shape, bound=bound, error=error, grid=grid, **options)


def _matmul(b: Builder, kind: str) -> None:
    """Matrices, vectors, stacks of matrices; mostly with a constant."""
    x = b.value((b.dtype, b.dtype, *INTEGERS), lambda v: bool(v.shape))
    inner = x.shape[-1]
    shapes: list[tuple[int, ...]] = [(inner, b.pick((1, 2, 3, 4)))] * 3 + [(inner,)]
    if len(x.shape) > 2:
        shapes.append((*x.shape[:-2], inner, 2))
    if len(x.shape) < 3 or (len(x.shape) == 3 and x.shape[0] <= 2):
        shapes.append((2, inner, 3))
    y = b.constant(b.pick(shapes), x.kind, 1.0)
    found = [v for v in b.pool if v.kind == x.kind and _product_shape(x, v) is not None]
    if found and b.draw_below(3) == 0:
        y = b.pick(found)
    shape = _product_shape(x, y)
    assert shape is not None
    if np.prod(shape, dtype=int) <= 200:
        _product_of(b, kind, [x, y], shape, inner)


def _product_shape(x: Value, y: Value) -> tuple[int, ...] | None:
    if not x.shape or not y.shape:
        return None
    try:
        shape = (np.zeros(x.shape) @ np.zeros(y.shape)).shape
    except ValueError:
        return None
    return shape if len(shape) <= 4 else None


def _gemm(b: Builder, kind: str) -> None:
    """Before opset 11 the third operand was not optional."""
    x = b.float(lambda v: len(v.shape) == 2)
    rows, inner, outputs = *x.shape, b.pick((1, 2, 3, 4))
    options: dict[str, Any] = {}
    if b.draw_below(4) == 0:
        options["transA"], rows, inner = 1, inner, rows
    if b.maybe():
        options["transB"] = b.pick((0, 1))
    shape = (outputs, inner) if options.get("transB") else (inner, outputs)
    operands: list[Value | None] = [x, b.constant(shape, x.kind, 1.0)]
    options |= {key: b.pick((0.5, 1.0, 1.5)) for key in ("alpha", "beta") if b.maybe()}
    if b.opset < 11 or b.draw_below(4):
        sizes = [(outputs,), (1, outputs), (rows, 1), (rows, outputs), (1,), ()]
        operands.append(b.constant(b.pick(sizes), x.kind, 2.0))
    elif b.maybe():
        operands.append(None)
    error = 1.5 * inner * (x.error + x.bound * 2.0**-30) + 1e-9
    bound, grid = 1.5 * (inner * x.bound + 2), x.grid + 4
    b.like(kind, operands, (rows, outputs), bound=bound, error=error, grid=grid, **options)


def _einsum(b: Builder, kind: str) -> None:
    equation, *ranks = b.pick(EQUATIONS)
    inputs, _, result = equation.partition("->")
    operands, sizes = [], dict[str, int]()
    for letters, rank in zip(inputs.split(","), ranks, strict=True):
        names = letters.replace("...", "*+"[: rank + 3 - len(letters)])
        found = [v for v in b.pool if v.floating and _agrees(names, v.shape, sizes)]
        if found and (not operands or b.maybe()):
            value = b.pick(found)
        else:
            value = b.constant([sizes.get(n) or b.pick((1, 2, 3)) for n in names], b.dtype, 1.0)
        operands.append(value)
        sizes |= dict(zip(names, value.shape, strict=True))
    if "->" not in equation:
        counts = {n: inputs.count(n) for n in sizes}
        result = "".join(sorted(n for n in sizes if counts[n] == 1))
    kept = result.replace("...", "".join(n for n in "*+" if n in sizes))
    summed = int(np.prod([size for n, size in sizes.items() if n not in kept], dtype=int))
    shape = tuple(sizes[n] for n in kept)
    _product_of(b, kind, operands, shape, summed, equation=equation)


def _agrees(names: str, shape: tuple[int, ...], sizes: dict[str, int]) -> bool:
    return len(names) == len(shape) and all(
        sizes.get(n, size) == size for n, size in zip(names, shape, strict=True)
    )


def _reduce(b: Builder, kind: str) -> None:
    """The axes were an attribute before opset 18, of sums before 13."""
    whole = kind in ("ReduceL1", "ReduceMax", "ReduceMin", "ReduceSum", "ReduceSumSquare")
    x = b.value((b.dtype, b.dtype, *INTEGERS) if whole else (b.dtype,), lambda v: bool(v.shape))
    if kind == "ReduceProd":
        x = b.within(x, 2)
    if kind == "ReduceLogSum":
        x = b.above(x, 0.5)
    rank = len(x.shape)
    axes = sorted(b.pick(range(rank)) for _ in range(1 + b.draw_below(2))) if b.maybe() else None
    axes = axes and list(dict.fromkeys(axes))
    told = None if axes is None else [axis - rank * (b.opset >= 11 and b.maybe()) for axis in axes]
    options: dict[str, Any] = {"keepdims": b.pick((0, 1))} if b.maybe() else {}
    operands: list[Value | None] = [x]
    reduced = tuple(range(rank)) if axes is None else tuple(axes)
    if b.opset >= (13 if kind == "ReduceSum" else 18):
        if told is None:
            reduced = _no_axes(b, operands, options, reduced)
        else:
            operands.append(b.ints(*told))
    elif told is not None:
        options["axes"] = told
    terms = int(np.prod([x.shape[i] for i in reduced], dtype=int))
    shape = np.sum(np.zeros(x.shape), axis=reduced, keepdims=bool(options.get("keepdims", 1))).shape
    if not reduced and options.get("noop_with_empty_axes") and kind not in ("ReduceSum",):
        return
    bound, error, grid = _reduced(kind, x, terms)
    b.like(kind, operands, shape, bound=bound, error=error, grid=grid, **options)


def _no_axes(
    b: Builder, operands: list[Value | None], options: dict[str, Any], every: tuple[int, ...]
) -> tuple[int, ...]:
    """No axes, left out or empty, mean all of them or none."""
    operands += b.pick(([], [None], [b.ints()]))
    if b.maybe():
        options["noop_with_empty_axes"] = b.pick((0, 1))
    return () if options.get("noop_with_empty_axes") else every


def _reduced(kind: str, x: Value, terms: int) -> tuple[float, float, int | None]:
    """Bound, error and grid of a reduction."""
    if kind in ("ReduceMax", "ReduceMin"):
        return x.bound, x.error, x.grid
    if kind == "ReduceMean":
        return x.bound, x.error, None
    if kind in ("ReduceSum", "ReduceL1"):
        return x.bound * terms, x.error * terms, x.grid
    if kind == "ReduceSumSquare":
        return x.bound**2 * terms, 2 * x.bound * x.error * terms, 2 * x.grid
    if kind == "ReduceLogSumExp":
        return x.bound + 5, x.error, None
    if kind == "ReduceLogSum":
        return x.bound + 5, 2 * x.error, None
    if kind == "ReduceProd":
        bound = max(x.bound, 1) ** terms
        return bound, terms * bound * x.error, x.grid * terms
    return x.bound * terms, x.error * terms, None  # ReduceL2


def _softmax(b: Builder, kind: str) -> None:
    """Before opset 13 all axes from the given one on were one."""
    x = b.float(lambda v: bool(v.shape))
    rank = len(x.shape)
    options = {}
    if b.maybe() or (b.opset < 13 and rank == 1):
        axis = b.pick(range(rank))
        options["axis"] = axis - rank if b.opset >= 11 and b.maybe() else axis
    bound = 1.0 if kind == "Softmax" else 2 * x.bound + 6
    b.like(kind, [x], bound=bound, error=2 * x.error, grid=None, **options)


def _layer_norm(b: Builder, kind: str) -> None:
    x = b.float(lambda v: bool(v.shape))
    rank = len(x.shape)
    axis = b.pick(range(rank))
    options: dict[str, Any] = {}
    if axis != rank - 1 or b.maybe():
        options["axis"] = b.pick((axis, axis - rank))
    size = int(np.prod(x.shape[axis:], dtype=int))
    steep = 1.0
    if not (x.exact and size in (1, 2, 4) and b.maybe()):  # then a variance of 0 is 0 exactly
        options["epsilon"], steep = b.pick((0.25, 0.1)), 10.0
    operands: list[Value | None] = [x, b.constant(x.shape[axis:], x.kind, 1.0)]
    if b.maybe():
        operands.append(b.constant(x.shape[axis:], x.kind, 1.0))
    error = steep * (x.error + x.bound * 2.0**-22)
    b.like(kind, operands, bound=size**0.5 + 1, error=error, grid=None, **options)


def _batch_norm(b: Builder, kind: str) -> None:
    """Of the second axis, which all values but single numbers and vectors have."""
    x = b.float(lambda v: len(v.shape) > 1)
    row = (x.shape[1],)
    scale, bias, mean = (b.constant(row, x.kind, 1.0) for _ in range(3))
    variance = b.fixed(b.rng.uniform(0.5, 2, row).astype(x.kind))
    options = {"epsilon": b.pick((0.25, 0.001))} if b.maybe() else {}
    told = {"bound": 2 * x.bound + 3, "error": 2 * x.error, "grid": None}
    b.like(kind, [x, scale, bias, mean, variance], **told, **options)


def _cumsum(b: Builder, kind: str) -> None:
    x = b.value((b.dtype, *INTEGERS), lambda v: bool(v.shape))
    rank = len(x.shape)
    axis = b.pick(range(rank))
    options = {key: b.pick((0, 1)) for key in ("exclusive", "reverse") if b.maybe()}
    where = b.fixed(np.asarray(b.pick((axis, axis - rank)), b.pick((np.int64, np.int32))))
    size = x.shape[axis]
    b.like(kind, [x, where], bound=x.bound * size, error=x.error * size, **options)


GENERATORS: dict[str, Callable[[Builder, str], None]] = {
    **dict.fromkeys(("LogSoftmax", "Softmax"), _softmax),
    **{kind: _reduce for kind in OPERATORS if kind.startswith("Reduce")},
    "BatchNormalization": _batch_norm,
    "CumSum": _cumsum,
    "Einsum": _einsum,
    "Gemm": _gemm,
    "LayerNormalization": _layer_norm,
    "MatMul": _matmul,
}

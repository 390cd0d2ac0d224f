"""Random uses of operators that move values around."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from tests.random_ops.builder import INTEGERS, KINDS, Builder, Value, largest, tensor

FAR = 2**62


def _any(b: Builder, where: Callable[[Value], bool] = lambda _: True) -> Value:
    return b.value((b.dtype, b.dtype, *INTEGERS, "bool"), where)


def _ranked(b: Builder) -> Value:
    return _any(b, lambda v: bool(v.shape))


def _axis(b: Builder, rank: int, since: int = 11) -> tuple[int, int]:
    """An axis as it is and as it is told: negative numbers came with opset 11 nearly everywhere."""
    axis = b.pick(range(rank))
    return axis, axis - rank if b.opset >= since and b.maybe() else axis


def _axes_operand(b: Builder, x: Value, axes: list[int]) -> tuple[list[Value | None], dict]:
    """Axes were an attribute before opset 13."""
    if b.opset < 13:
        return [x], {"axes": axes}
    return [x, b.ints(*axes)], {}


def _unsqueeze(b: Builder, kind: str) -> None:
    x = _any(b, lambda v: len(v.shape) < 4)
    count = 2 if len(x.shape) < 3 and b.maybe() else 1
    rank = len(x.shape) + count
    where = [_axis(b, rank) for _ in range(count)]
    if len({axis for axis, _ in where}) < count:
        where = where[:1]
        rank -= 1
        if where[0][0] >= rank or where[0][1] < -rank:
            where = [(0, 0)]
        elif where[0][1] < 0:
            where = [(where[0][1] + rank, where[0][1])]
    told = [t for _, t in where]
    operands, options = _axes_operand(b, x, told)
    shape = np.expand_dims(np.empty(x.shape), tuple(told)).shape
    b.like(kind, operands, shape, **options)


def _squeeze(b: Builder, kind: str) -> None:
    x = _any(b, lambda v: 1 in v.shape)
    ones = [i for i, size in enumerate(x.shape) if size == 1]
    if not ones or b.draw_below(4) == 0:
        b.like(kind, [x], [size for size in x.shape if size != 1])
        return
    axes = ones if b.maybe() else [b.pick(ones)]
    told = [axis - len(x.shape) if b.opset >= 11 and b.maybe() else axis for axis in axes]
    operands, options = _axes_operand(b, x, told)
    b.like(kind, operands, np.squeeze(np.empty(x.shape), tuple(axes)).shape, **options)


def _split(b: Builder, kind: str) -> None:
    """Parts of given sizes; before opset 13 they are an attribute."""
    x = _any(b, lambda v: max(v.shape, default=0) > 1)
    if max(x.shape, default=0) < 2:
        return
    axis = b.pick([i for i, size in enumerate(x.shape) if size > 1])
    cut = 1 + b.draw_below(x.shape[axis] - 1)
    sizes = [cut, x.shape[axis] - cut]
    told = axis - len(x.shape) if b.opset >= 11 and b.maybe() else axis
    options: dict[str, Any] = {"axis": told} if axis or b.maybe() else {}
    operands = [x, b.ints(*sizes)] if b.opset >= 13 else [x]
    if b.opset < 13:
        options["split"] = sizes
    shapes = [(*x.shape[:axis], size, *x.shape[axis + 1 :]) for size in sizes]
    b.like(kind, operands, shapes[0], **options)
    second = f"{b.nodes[-1].output[0]}_second"
    b.nodes[-1].output.append(second)
    b.pool.append(replace(x, name=second, shape=shapes[1], fixed=None))


def _reshape(b: Builder, kind: str) -> None:
    x = _any(b)
    size = int(np.prod(x.shape, dtype=int))
    found = [v for v in b.pool if int(np.prod(v.shape, dtype=int)) == size]
    if found and b.draw_below(3) == 0:
        target = b.pick(found).shape
    else:
        first = b.pick([d for d in range(1, size + 1) if size % d == 0])
        target = b.pick(((size,), (first, size // first), (1, first, size // first), (size, 1)))
    told, options = list(target), dict[str, Any]()
    if b.opset >= 14 and b.draw_below(4) == 0:
        options["allowzero"] = b.pick((0, 1))
    if told and not options.get("allowzero"):
        told = [
            0 if i < len(x.shape) and x.shape[i] == s and b.maybe() else s
            for i, s in enumerate(told)
        ]
    if told and b.maybe():
        told[b.draw_below(len(told))] = -1
    b.like(kind, [x, b.ints(*told)], target, **options)


def _flatten(b: Builder, kind: str) -> None:
    x = _any(b) if b.opset >= 9 else b.float()
    axis = b.draw_below(len(x.shape) + 1)
    options = {}
    if not x.shape or axis != 1 or b.maybe():
        options["axis"] = axis - len(x.shape) if b.opset >= 11 and axis and b.maybe() else axis
        axis = options["axis"] % len(x.shape) if options["axis"] < 0 else axis
        if options["axis"] == 0:
            axis = 0
    parts = x.shape[:axis], x.shape[axis:]
    b.like(kind, [x], [int(np.prod(part, dtype=int)) for part in parts], **options)


def _transpose(b: Builder, kind: str) -> None:
    x = _any(b)
    if b.draw_below(3) == 0:
        b.like(kind, [x], x.shape[::-1])
        return
    order = list(range(len(x.shape)))
    for i in range(len(order) - 1):
        j = i + b.draw_below(len(order) - i)
        order[i], order[j] = order[j], order[i]
    b.like(kind, [x], [x.shape[i] for i in order], **({"perm": order} if order else {}))


def _expand(b: Builder, kind: str) -> None:
    """To a shape given in numbers, or to that of another value."""
    x = _any(b)
    others = [v for v in b.pool if v.fixed is None and _broadcast(x.shape, v.shape)]
    if others and b.maybe():
        other = b.pick(others)
        target = Value(b.node("Shape", [other.name]), (len(other.shape),), "int64", 0)
        shape = np.broadcast_shapes(x.shape, other.shape)
    else:
        wanted = b.broadcastable(tuple(3 if s == 1 and b.maybe() else s for s in x.shape))
        shape = np.broadcast_shapes(x.shape, wanted)
        target = b.ints(*wanted)
    b.like(kind, [x, target], shape)


def _broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    try:
        return int(np.prod(np.broadcast_shapes(a, b), dtype=int)) <= 200
    except ValueError:
        return False


def _tile(b: Builder, kind: str) -> None:
    x = _any(b)
    repeats = [b.pick((1, 1, 2, 3)) for _ in x.shape]
    b.like(kind, [x, b.ints(*repeats)], [s * r for s, r in zip(x.shape, repeats, strict=True)])


def _slice(b: Builder, kind: str) -> None:
    """Ranges were attributes before opset 10; steps came with it."""
    x = _ranked(b)
    rank = len(x.shape)
    axes = list(dict.fromkeys(b.pick(range(rank)) for _ in range(1 + b.draw_below(2))))
    if b.draw_below(3) == 0:
        axes = list(range(len(axes)))
    steps = [b.pick((1, 1, 2, -1, -2)) if b.opset >= 10 else 1 for _ in axes]
    ranges = [_range(b, x.shape[axis], step) for axis, step in zip(axes, steps, strict=True)]
    starts, ends = [r[0] for r in ranges], [r[1] for r in ranges]
    shape = list(x.shape)
    for axis, (_, _, count) in zip(axes, ranges, strict=True):
        shape[axis] = count
    told = [axis - rank if b.opset >= 10 and b.maybe() else axis for axis in axes]
    known = axes == list(range(len(axes))) and b.maybe()
    if b.opset < 10:
        options = {"starts": starts, "ends": ends} | ({} if known else {"axes": told})
        b.like(kind, [x], shape, **options)
        return
    near = max(map(abs, starts + ends)) < 100
    kind64 = b.pick((np.int64, np.int32)) if near else np.int64
    where = [None if known else told, None if set(steps) == {1} and b.maybe() else steps]
    numbers = [starts, ends, *where]
    given = (None if n is None else b.fixed(np.array(n, kind64)) for n in numbers)
    b.like(kind, [x, *given], shape)


def _range(b: Builder, size: int, step: int) -> tuple[int, int, int]:
    """Start, end and number of elements of a range that holds some, told in many ways."""
    start, count = b.draw_below(size), 1 + b.draw_below(size)
    end = start + step * count
    found = range(size)[start : end if end >= 0 else None : step]
    starts, ends = [start, start - size], [end] if 0 <= end <= size else []
    if step > 0:
        starts += [-size - 2] if start == 0 else []
        ends += [size + 5, FAR] if end >= size else [end - size]
    else:
        starts += [size + 3, FAR] if start == size - 1 else []
        ends += [-size - 1, -FAR] if end < 0 else [end - size]
    return b.pick(starts), b.pick(ends), len(found)


def _gather(b: Builder, kind: str) -> None:
    x = _ranked(b)
    axis, told = _axis(b, len(x.shape), 9)
    shape = b.pick(((), (1,), (2,), (3,), (2, 2)))
    rank = len(x.shape) - 1 + len(shape)
    indices = _indices(b, shape if rank <= 4 else (2,), x.shape[axis])
    options = {} if axis == 0 and b.maybe() else {"axis": told}
    shape = (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])
    b.like(kind, [x, indices], shape, **options)


def _indices(b: Builder, shape: tuple[int, ...], size: int) -> Value:
    """Negative ones count from the end since opset 11."""
    low = -size if b.opset >= 11 else 0
    numbers = b.rng.integers(low, size, shape)
    return b.fixed(np.asarray(numbers, b.pick((np.int64, np.int64, np.int32))))


def _gather_nd(b: Builder, kind: str) -> None:
    x = _ranked(b)
    depth = 1 + b.draw_below(len(x.shape))
    count = b.pick((1, 2, 3))
    columns = [b.rng.integers(-s, s, count) for s in x.shape[:depth]]
    indices = b.fixed(np.stack(columns, axis=-1).astype(np.int64))
    options = {"batch_dims": 0} if b.opset >= 12 and b.maybe() else {}
    b.like(kind, [x, indices], [count, *x.shape[depth:]], **options)


def _scatter_nd(b: Builder, kind: str) -> None:
    """Every place at most once, unless numbers are added."""
    x = _ranked(b)
    depth = 1 + b.draw_below(len(x.shape))
    places = np.stack(np.unravel_index(np.arange(np.prod(x.shape[:depth])), x.shape[:depth]), -1)
    options = _reduction(b, x)
    where = places[b.rng.choice(len(places), min(len(places), 2), replace=bool(options))]
    where = where - np.array(x.shape[:depth]) * b.rng.integers(0, 2, where.shape)
    updates = b.constant((len(where), *x.shape[depth:]), x.kind)
    _scattered(b, kind, [x, b.fixed(where.astype(np.int64)), updates], options)


def _scatter_elements(b: Builder, kind: str) -> None:
    """The same along one axis."""
    x = _ranked(b)
    axis, told = _axis(b, len(x.shape))
    options = {} if kind == "Scatter" else _reduction(b, x)
    count = min(x.shape[axis], 2)
    shape = [count if i == axis else size for i, size in enumerate(x.shape)]
    row = b.rng.choice(x.shape[axis], count, replace=bool(options))
    along = [-1 if i == axis else 1 for i in range(len(shape))]
    where = np.broadcast_to(row.reshape(along), shape).astype(np.int64)
    updates = b.constant(shape, x.kind)
    _scattered(b, kind, [x, b.fixed(where), updates], options | {"axis": told})


def _reduction(b: Builder, x: Value) -> dict[str, str]:
    return {"reduction": "add"} if b.opset >= 16 and x.kind != "bool" and b.maybe() else {}


def _scattered(b: Builder, kind: str, operands: list[Value], options: dict[str, Any]) -> None:
    x, _, updates = operands
    told = largest(x, updates)
    if "reduction" in options:
        told |= {"bound": x.bound + 2 * updates.bound, "error": x.error + 2 * updates.error}
    b.like(kind, operands, **told, **options)


def _concat(b: Builder, kind: str) -> None:
    x = _ranked(b)
    axis, told = _axis(b, len(x.shape))
    parts = [x]
    while len(parts) < 3 and (len(parts) == 1 or b.maybe()):
        found = [v for v in b.pool if v.kind == x.kind and _joins(v.shape, x.shape, axis)]
        if b.maybe():
            shape = [b.pick((1, 2)) if i == axis else s for i, s in enumerate(x.shape)]
            parts.append(b.constant(shape, x.kind))
        else:
            parts.append(b.pick(found) if found else x)
    shape = [sum(p.shape[axis] for p in parts) if i == axis else s for i, s in enumerate(x.shape)]
    b.like(kind, parts, shape, **largest(*parts), axis=told)


def _joins(a: tuple[int, ...], b: tuple[int, ...], axis: int) -> bool:
    return len(a) == len(b) and a[:axis] == b[:axis] and a[axis + 1 :] == b[axis + 1 :]


def _shape(b: Builder, kind: str) -> None:
    x = _any(b)
    options, sizes = dict[str, int](), x.shape
    if b.opset >= 15:
        options = {k: b.pick((0, 1, -1, 2)) for k in ("start", "end") if b.maybe()}
        sizes = x.shape[options.get("start") : options.get("end")]
    b.add(kind, [x], (len(sizes),), "int64", bound=max(sizes, default=0), **options)


def _size(b: Builder, kind: str) -> None:
    x = _any(b)
    b.add(kind, [x], (), "int64", bound=int(np.prod(x.shape, dtype=int)))


def _constant(b: Builder, kind: str) -> None:
    """Values of constants only, for the compiler to fold."""
    value = b.constant(b.pick(((), (1,), (3,), (2, 1), (1, 2, 2))), b.pick((b.dtype, "int64")))
    b.pool.append(value)


def _constant_of_shape(b: Builder, kind: str) -> None:
    like = _any(b, lambda v: v.fixed is None)
    if b.maybe():
        shape = Value(b.node("Shape", [like.name]), (len(like.shape),), "int64", 0)
    else:
        shape = b.ints(*like.shape)
    result = b.pick((b.dtype, "int64", "int32", "bool"))
    number = b.pick((0, 1)) if result == "bool" else b.pick((0.5, 2, -1, 0))
    fill = np.array([number]).astype(result)
    options = {"value": tensor(fill, "", typed=b.maybe())}
    if result == "float32" and number == 0:
        options = {}
    b.add(kind, [shape], like.shape, result, bound=2, grid=1, **options)


def _numbers(b: Builder, kind: str) -> None:
    """Range, of integers or of exact floats."""
    dtype = b.pick((b.dtype, *INTEGERS))
    start, count = b.pick((-1, 0, 2)), b.pick((1, 2, 3, 4))
    step = b.pick((1, 2, -1)) if dtype in INTEGERS else b.pick((0.5, -0.25, 1))
    end = start + step * count - (0 if dtype in INTEGERS or b.maybe() else step / 2)
    operands = [b.fixed(np.asarray(v, dtype)) for v in (start, end, step)]
    b.add(kind, operands, (count,), dtype, bound=10, grid=3)


def _eye(b: Builder, kind: str) -> None:
    x = b.value((b.dtype, *INTEGERS), lambda v: len(v.shape) == 2)
    if len(x.shape) != 2:
        return
    result = b.pick((b.dtype, "int64")) if b.maybe() else x.kind
    options = {} if result == x.kind and b.maybe() else {"dtype": KINDS[result]}
    options |= {"k": b.pick((-1, 0, 1))} if b.maybe() else {}
    b.add(kind, [x], x.shape, result, bound=1, grid=0, **options)


def _triangle(b: Builder, kind: str) -> None:
    x = _any(b, lambda v: len(v.shape) > 1)
    if len(x.shape) < 2:
        return
    options = {"upper": b.pick((0, 1))} if b.maybe() else {}
    diagonal = [b.fixed(np.asarray(b.pick((-1, 0, 1)), np.int64))] if b.maybe() else []
    b.like(kind, [x, *diagonal], x.shape, **options)


def _pad(b: Builder, kind: str) -> None:
    """The widths were an attribute before opset 11; axes came with 18."""
    kinds = (b.dtype,) if b.opset < 11 else (b.dtype, b.dtype, *INTEGERS)
    x = b.value(kinds, lambda v: bool(v.shape))
    axes = list(range(len(x.shape)))
    if b.opset >= 18 and b.maybe():
        axes = [b.pick(axes)]
    widths = [[b.pick((0, 0, 1, 2)) for _ in axes] for _ in range(2)]
    shape = list(x.shape)
    for axis, before, after in zip(axes, *widths, strict=True):
        shape[axis] += before + after
    options: dict[str, Any] = {"mode": "constant"} if b.maybe() else {}
    operands: list[Value | None] = [x]
    given = b.opset >= 18 and (len(axes) < len(shape) or b.maybe())
    filling = b.maybe() or (given and not x.floating)
    if b.opset < 11:
        options |= {"pads": [*widths[0], *widths[1]]} | ({"value": 1.5} if filling else {})
    else:
        operands.append(b.ints(*widths[0], *widths[1]))
        operands.append(b.fixed(np.asarray(2, x.kind)) if filling else None)
        if b.opset >= 18:
            told = [axis - len(shape) if b.maybe() else axis for axis in axes]
            operands.append(b.ints(*told) if given else None)
    b.like(kind, operands, shape, bound=max(x.bound, 2), grid=max(x.grid, 1), **options)


GENERATORS: dict[str, Callable[[Builder, str], None]] = {
    "Concat": _concat,
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Expand": _expand,
    "EyeLike": _eye,
    "Flatten": _flatten,
    "Gather": _gather,
    "GatherND": _gather_nd,
    "Scatter": _scatter_elements,
    "ScatterElements": _scatter_elements,
    "ScatterND": _scatter_nd,
    "Pad": _pad,
    "Range": _numbers,
    "Reshape": _reshape,
    "Shape": _shape,
    "Size": _size,
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _squeeze,
    "Tile": _tile,
    "Transpose": _transpose,
    "Trilu": _triangle,
    "Unsqueeze": _unsqueeze,
}

"""Random uses of element-wise operators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import exp
from typing import Any

import numpy as np
from onnx import TensorProto

from tests.random_ops.builder import GRID, INTEGERS, Builder, Value, largest

Function = Callable[[float], float]


@dataclass(frozen=True)
class Smooth:
    """A continuous function of one value.

    Attributes:
        bound: Its largest magnitude for operands of at most this magnitude.
        slope: The same of its slope.
        limit: Operands may be no larger.
        low: Operands may be no smaller, if given.
        attributes: Those that may be given, with values to choose from.
    """

    bound: Function
    slope: Function = lambda _: 1.0
    limit: float = 256.0
    low: float | None = None
    attributes: dict[str, tuple[float | str, ...]] = field(default_factory=dict)


ALPHA: tuple[float | str, ...] = (0.25, 0.3, 0.9)
SMOOTH: dict[str, Smooth] = {
    "Acos": Smooth(lambda _: 3.2, lambda _: 2.3, 0.9),
    "Acosh": Smooth(lambda b: b, lambda _: 1.4, low=1.25),
    "Asin": Smooth(lambda _: 1.2, lambda _: 2.3, 0.9),
    "Asinh": Smooth(lambda b: b),
    "Atan": Smooth(lambda _: 1.6),
    "Atanh": Smooth(lambda _: 1.5, lambda _: 5.3, 0.9),
    "Celu": Smooth(lambda b: max(b, 2), attributes={"alpha": (*ALPHA, 1.5)}),
    "Cos": Smooth(lambda _: 1.0),
    "Cosh": Smooth(exp, exp, 4.0),
    "Elu": Smooth(lambda b: max(b, 2), lambda _: 1.5, attributes={"alpha": (*ALPHA, 1.5)}),
    "Erf": Smooth(lambda _: 1.0, lambda _: 1.2),
    "Exp": Smooth(exp, exp, 4.0),
    "Gelu": Smooth(lambda b: b, lambda _: 1.2, attributes={"approximate": ("tanh", "none")}),
    "HardSigmoid": Smooth(lambda _: 1.0, attributes={"alpha": ALPHA, "beta": (0.1, 0.75)}),
    "HardSwish": Smooth(lambda b: b, lambda _: 1.5),
    "LeakyRelu": Smooth(lambda b: b, attributes={"alpha": ALPHA}),
    "Log": Smooth(lambda b: max(b, 1.4), lambda _: 4.0, low=0.25),
    "Mish": Smooth(lambda b: b, lambda _: 1.2),
    "Reciprocal": Smooth(lambda _: 2.0, lambda _: 4.0, low=0.5),
    "Selu": Smooth(
        lambda b: 2 * max(b, 2), lambda _: 3.0, attributes={"alpha": ALPHA, "gamma": (0.5, 1.1)}
    ),
    "Sigmoid": Smooth(lambda _: 1.0),
    "Sin": Smooth(lambda _: 1.0),
    "Sinh": Smooth(exp, exp, 4.0),
    "Softplus": Smooth(lambda b: b + 1),
    "Softsign": Smooth(lambda _: 1.0),
    "Sqrt": Smooth(lambda b: max(b, 1), low=0.25),
    "Swish": Smooth(lambda b: b, lambda _: 1.3, attributes={"alpha": (*ALPHA, 1.5)}),
    "Tan": Smooth(lambda _: 3.0, lambda _: 8.0, 1.2),
    "Tanh": Smooth(lambda _: 1.0),
}


def _options(b: Builder, choices: dict[str, tuple[Any, ...]]) -> dict[str, Any]:
    """Some of the attributes; the others keep their defaults."""
    return {key: b.pick(values) for key, values in choices.items() if b.maybe()}


def _smooth(b: Builder, kind: str) -> None:
    row, x = SMOOTH[kind], b.float()
    x = b.within(x, row.limit)
    if row.low is not None:
        x = b.above(x, row.low)
    bound, error = row.bound(x.bound), row.slope(x.bound) * x.error
    b.like(kind, [x], bound=bound, error=error, grid=None, **_options(b, row.attributes))


def _sign_and_size(b: Builder, kind: str) -> None:
    x = b.value((b.dtype, *INTEGERS), lambda v: v.exact or kind != "Sign")
    b.like(kind, [x], bound=max(x.bound, 1))


def _relu(b: Builder, kind: str) -> None:
    """Integers since opset 14; ONNX Runtime has int32 only."""
    x = b.value((b.dtype, "int32") if b.opset >= 14 else (b.dtype,))
    b.like(kind, [x])


def _step(b: Builder, kind: str) -> None:
    x = b.exact()
    b.like(kind, [x], bound=x.bound + 1, grid=0)


def _threshold(b: Builder, kind: str) -> None:
    x = b.exact()
    choices = {"alpha": (0.5, 0.125)} if kind == "ThresholdedRelu" else {"lambd": (0.25, 1.0)}
    options = _options(b, choices | ({"bias": (0.25, 0.5)} if kind == "Shrink" else {}))
    b.like(kind, [x], bound=x.bound + 1, grid=max(x.grid, GRID), **options)


def _sum(b: Builder, kind: str) -> None:
    x = b.value((b.dtype, *INTEGERS))
    y = b.partner(x)
    operands = [x, y] if b.maybe() else [y, x]
    bound, error = x.bound + y.bound, x.error + y.error
    _broadcast(b, kind, operands, bound, error, max(x.grid, y.grid))


def _broadcast(
    b: Builder,
    kind: str,
    operands: list[Value],
    bound: float,
    error: float,
    grid: int | None,
    result: str = "",
    **attributes: Any,
) -> None:
    shape = np.broadcast_shapes(*(v.shape for v in operands))
    told = {"bound": bound, "error": error, "grid": grid}
    b.add(kind, operands, shape, result or operands[0].kind, **told, **attributes)


def _product(b: Builder, kind: str) -> None:
    x = b.value((b.dtype, *INTEGERS))
    y = b.partner(x)
    error = x.bound * y.error + y.bound * x.error
    _broadcast(b, kind, [x, y], x.bound * y.bound, error, x.grid + y.grid)


def _div(b: Builder, kind: str) -> None:
    x = b.value((b.dtype, *INTEGERS))
    y = _divisor(b, x)
    low = 0.5 if x.floating else 1.0
    error = x.error / low + x.bound * y.error / low**2
    _broadcast(b, kind, [x, y], x.bound / low, error, None if x.floating else 0)


def _divisor(b: Builder, x: Value) -> Value:
    """Nothing smaller than 0.5, or 1 of integers."""
    if b.maybe():
        return b.constant(b.broadcastable(x.shape), x.kind, 4.0, 0.5)
    return b.above(b.partner(x), 0.5 if x.floating else 1)


def _mod(b: Builder, kind: str) -> None:
    x = b.exact() if b.maybe() else b.value(INTEGERS)
    y = _divisor(b, x)
    if not y.exact:
        y = b.constant(b.broadcastable(x.shape), "int64" if x.kind == "int64" else x.kind, 4.0, 1)
    if not y.exact:
        return
    fmod = {"fmod": 1} if x.floating or b.maybe() else {}
    _broadcast(b, kind, [x, y], y.bound, 0.0, max(x.grid, y.grid), **fmod)


def _pow(b: Builder, kind: str) -> None:
    """Any base to the power 0 to 3, or a positive one to any power; types may differ since 12."""
    if b.opset >= 12 and b.maybe():
        x = b.within(b.value((b.dtype,)), 4) if b.maybe() else b.value(INTEGERS)
        power = float(b.pick((0, 1, 2, 3)))
        to = b.pick(("int64", "int32", b.dtype)) if x.floating else b.pick((x.kind, b.dtype))
    else:
        x, to = b.within(b.float(), 4), b.dtype
        power = float(b.pick((0, 1, 2, 3, 0.5, -1, 1.5)))
    if power % 1 or power < 0:
        x = b.above(x, 0.5)
        grid = None
    else:
        grid = int(x.grid * power)
    y = b.fixed(np.full(b.broadcastable(x.shape), power, to))
    slope = 16.0 if power < 1 else power * max(x.bound, 1) ** (power - 1)
    bound = max(x.bound, 2.0) ** abs(power)
    _broadcast(b, kind, [x, y], bound, slope * x.error, grid)


def _pow_of_values(b: Builder) -> None:
    x = b.within(b.float(), 2)
    y = b.within(b.partner(x), 2)
    x = b.above(x, 0.5)
    _broadcast(b, "Pow", [x, y], 8.0, 16 * (x.error + y.error), None)


def _extreme(b: Builder, kind: str) -> None:
    """Any number of operands; integers since opset 12."""
    operands = [b.value((b.dtype, *INTEGERS) if b.opset >= 12 else (b.dtype,))]
    while len(operands) < 4 and b.maybe():
        shapes = [v.shape for v in operands]
        like = Value("", np.broadcast_shapes(*shapes), operands[0].kind, 0)
        operands.append(b.partner(like))
    _broadcast(b, kind, operands, **largest(*operands))


def _total(b: Builder, kind: str) -> None:
    operands = [b.float()]
    while len(operands) < 4 and b.maybe():
        like = Value("", np.broadcast_shapes(*(v.shape for v in operands)), b.dtype, 0)
        operands.append(b.partner(like))
    bound, error = sum(v.bound for v in operands), sum(v.error for v in operands)
    grid = max(v.grid for v in operands) if kind == "Sum" else None
    _broadcast(b, kind, operands, bound, error, grid)


def _compare(b: Builder, kind: str) -> None:
    """Equal of floats since opset 11, of truth values before 19 and after alike."""
    kinds = (*INTEGERS, "bool") if kind == "Equal" else INTEGERS
    if kind != "Equal" or b.opset >= 11:
        kinds = (b.dtype, b.dtype, *kinds)
    x = b.value(kinds, lambda v: v.exact)
    y = b.partner(x)
    if y.exact:
        _broadcast(b, kind, [x, y], 1, 0, None, result="bool")


def _logic(b: Builder, kind: str) -> None:
    x = b.value(("bool",))
    operands = [x] if kind == "Not" else [x, b.partner(x)]
    _broadcast(b, kind, operands, 1, 0, None)


def _where(b: Builder, kind: str) -> None:
    if b.maybe():
        return _guarded(b)
    x = b.value((b.dtype, *INTEGERS))
    y = b.partner(x)
    mask = b.partner(Value("", np.broadcast_shapes(x.shape, y.shape), "bool", 0))
    shape = np.broadcast_shapes(mask.shape, x.shape, y.shape)
    b.add(kind, [mask, x, y], shape, x.kind, **largest(x, y))
    return None


def _guarded(b: Builder) -> None:
    """A logarithm or a root where it is a number, something else where it is infinite or NaN."""
    x = b.exact()
    zero = b.fixed(np.zeros((), x.kind))
    inside = b.node("Greater", [x.name, zero.name])
    value = b.node(b.pick(("Log", "Sqrt")), [x.name])
    name = b.node("Where", [inside, value, x.name])
    bound = max(x.bound, x.grid, 1.0)
    b.pool.append(Value(name, x.shape, x.kind, bound, bound * 2.0**-22))


def _is_special(b: Builder, kind: str) -> None:
    """Values that are infinite or NaN here and there."""
    x = b.exact()
    inner = b.node(b.pick(("Log", "Sqrt", "Reciprocal")), [x.name])
    choices = {"detect_positive": (0, 1), "detect_negative": (0, 1)} if kind == "IsInf" else {}
    name = b.node(kind, [inner], **_options(b, choices))
    b.pool.append(Value(name, x.shape, "bool", 1))


def _prelu(b: Builder, kind: str) -> None:
    """The slope is stretched to the operand, never the operand to the slope."""
    x = b.float()
    shape = tuple(size if b.maybe() else 1 for size in x.shape)
    slope = b.constant(shape[b.draw_below(len(shape) + 1) :], x.kind, 1.0)
    _broadcast(b, kind, [x, slope], x.bound, x.error + x.bound * slope.error, x.grid + slope.grid)


def _clip(b: Builder, kind: str) -> None:
    """The bounds were attributes before opset 11; integers came with 12."""
    x = b.value((b.dtype, *INTEGERS) if b.opset >= 12 else (b.dtype,))
    low, high = b.pick((-1, -2, 0)), b.pick((1, 2))
    bounds: list[Value | None] = []
    given: dict[str, Any] = {}
    if b.opset < 11:
        given = _options(b, {"min": (float(low),), "max": (float(high),)})
    else:
        bounds = [b.fixed(np.asarray(v, x.kind)) if b.maybe() else None for v in (low, high)]
    b.like(kind, [x, *bounds], bound=max(x.bound, 2), **given)


def _cast(b: Builder, kind: str) -> None:
    if b.maybe():
        x = b.value(("bool", *INTEGERS, b.dtype), lambda v: v.exact)
        b.cast(x, b.pick((b.dtype, "bool", "bool", *INTEGERS)))
        return
    x = b.float()
    choices = [TensorProto.FLOAT, TensorProto.DOUBLE]
    small = x.exact and max(x.bound, 1) * 2.0**x.grid <= 2**10
    kinds = [*choices, TensorProto.FLOAT16] if small else choices
    other = b.node(kind, [x.name], to=b.pick(kinds))
    own = TensorProto.DOUBLE if b.dtype == "float64" else TensorProto.FLOAT
    b.like(kind, [Value(other, x.shape, x.kind, x.bound, x.error, x.grid)], to=own)


def _identity(b: Builder, kind: str) -> None:
    x = b.value((b.dtype, b.dtype, "bool", *INTEGERS))
    b.like(kind, [x])


def _dropout(b: Builder, kind: str) -> None:
    """The ratio was an attribute before opset 12."""
    x = b.float()
    operands: list[Value | None] = [x]
    options = _options(b, {"ratio": (0.5, 0.25)}) if b.opset < 12 else _options(b, {"seed": (7,)})
    if b.opset >= 12:
        operands.append(b.fixed(np.float32(0.5)) if b.maybe() else None)
        operands.append(b.fixed(np.asarray(False)) if b.maybe() else None)
    b.like(kind, operands, **options)


def _power(b: Builder, kind: str) -> None:
    _pow_of_values(b) if b.draw_below(3) == 0 else _pow(b, kind)


def _quantized(b: Builder, kind: str) -> None:
    """Rounded to steps and read back: of the whole value, or along an axis since opset 13."""
    x = b.exact()
    along = b.opset >= 13 and bool(x.shape) and b.maybe()
    axis = b.draw_below(len(x.shape)) if along else 0
    shape = (x.shape[axis],) if along else ()
    scale = b.fixed((2.0 ** -b.rng.integers(1, 5, shape)).astype(b.dtype))
    integers = b.pick((np.int8, np.uint8))
    zero = b.fixed(b.rng.integers(0, 100, shape).astype(integers)) if along or b.maybe() else None
    operands = [scale.name] + ([] if zero is None else [zero.name])
    options = {"axis": b.pick((axis, axis - len(x.shape)))} if along else {}
    steps = b.node("QuantizeLinear", [x.name, *operands], **options)
    held = Value(steps, x.shape, "uint8" if zero is None else np.dtype(integers).name, 255.0)
    told = {"bound": 255 * scale.bound, "error": 0.0, "grid": 4}
    b.add("DequantizeLinear", [held, scale, zero], x.shape, b.dtype, **told, **options)


GENERATORS: dict[str, Callable[[Builder, str], None]] = {
    **dict.fromkeys(("DequantizeLinear", "QuantizeLinear"), _quantized),
    **dict.fromkeys(SMOOTH, _smooth),
    **dict.fromkeys(("Abs", "Neg", "Sign"), _sign_and_size),
    **dict.fromkeys(("Ceil", "Floor", "Round"), _step),
    **dict.fromkeys(("Shrink", "ThresholdedRelu"), _threshold),
    **dict.fromkeys(("Add", "Sub"), _sum),
    **dict.fromkeys(("Max", "Min"), _extreme),
    **dict.fromkeys(("Mean", "Sum"), _total),
    **dict.fromkeys(("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"), _compare),
    **dict.fromkeys(("And", "Not", "Or", "Xor"), _logic),
    **dict.fromkeys(("IsInf", "IsNaN"), _is_special),
    "Cast": _cast,
    "Clip": _clip,
    "Div": _div,
    "Dropout": _dropout,
    "Identity": _identity,
    "Mod": _mod,
    "Mul": _product,
    "PRelu": _prelu,
    "Pow": _power,
    "Relu": _relu,
    "Where": _where,
}

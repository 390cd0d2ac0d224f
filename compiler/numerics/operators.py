"""Everything that pinnir knows of an ONNX operator, in its opset-18 form: one table row each.

The frontend brings older and newer forms into this one. The numpy meaning is the oracle for folding
constants and for the host parts; at run time host parts are executed by ONNX Runtime.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pinnir.numerics import operator_sizes as sizes
from pinnir.numerics.special import erf, expit, log_softmax, softmax
from pinnir.numerics.windows import average_pool, conv, global_pool, max_pool

Tensor = NDArray[Any]


@dataclass(frozen=True)
class Operator:
    """An ONNX operator.

    Attributes:
        compute: Its value from its operands and attributes, in numpy.
        attributes: Those that the frontend takes over as they are.
        size: Entries of its value from the same, if it can be larger than its operands.
        multiplications: How many it makes, from shapes (``operator_sizes.py``).
        elementwise: Whether it treats every element alike; several operands are broadcast. Such
            operators on one affine map become one activation.
        activation: The function in ``activations.py`` that it is of floating point values.
        linear: Which operands it is linear in, if the others are fixed: in ``all`` of them
            together, as a sum is, in ``each`` of them alone, as a product is, or in the ``first``.
        synapses: Whether a core holds it as synapses where it is linear in what neurons give.
        moves: Whether the elements of its value are those of its first operand (of all operands if
            it is linear in all): all of them ``in order``, or some of them ``anywhere``.
        of_shape: Whether its value depends on nothing but the shape of its operand.
        shaped_by_values: Whether the shape of its value depends on numbers that it is given, and
            it does not move elements.
        dtype: Type of its value, where it is not that of the operand number ``like``.
        dtype_attribute: Which attribute says the type instead, where it is given.
        like: See ``dtype``.
    """

    compute: Callable[..., Tensor]
    attributes: tuple[str, ...] = ()
    size: Callable[..., int] | None = None
    multiplications: Callable[..., int] | None = None
    elementwise: bool = False
    activation: str = ""
    linear: Literal["", "all", "each", "first"] = ""
    synapses: bool = False
    moves: Literal["", "in order", "anywhere"] = ""
    of_shape: bool = False
    shaped_by_values: bool = False
    dtype: str = ""
    dtype_attribute: str = ""
    like: int = 0

    def value(self, operands: Sequence[Tensor], attributes: Mapping[str, Any]) -> Tensor:
        """Its value.

        Raises:
            ValueError: If it would take more than 256 MiB, or the operands do not fit each other;
                TypeError, IndexError or ArithmeticError likewise.
        """
        if self.size is not None:
            sizes.refuse_large(self.size(*operands, **attributes))
        return np.asarray(self.compute(*operands, **attributes))

    def is_linear_in(self, computed: Sequence[bool]) -> bool:
        """Whether it is linear in the operands that are ``computed``, the others being fixed."""
        if sum(computed) > 1 or not self.linear:
            return self.linear == "all"
        return self.linear != "first" or computed[0]


def _gemm(a: Tensor, b: Tensor, c: Tensor | float = 0.0, **options: float) -> Tensor:
    product = (a.T if options.get("transA") else a) @ (b.T if options.get("transB") else b)
    return np.asarray(options.get("alpha", 1.0) * product + options.get("beta", 1.0) * c)


def _div(a: Tensor, b: Tensor) -> Tensor:
    """ONNX divides integers towards zero."""
    if not (np.issubdtype(a.dtype, np.integer) and np.issubdtype(b.dtype, np.integer)):
        return np.asarray(np.divide(a, b))
    quotient, rest = np.divmod(a, b)
    return np.asarray(quotient + ((rest != 0) & ((a < 0) != (b < 0))))


def _pow(x: Tensor, y: Tensor) -> Tensor:
    """ONNX gives a power the type of its base."""
    whole = np.issubdtype(x.dtype, np.integer) and (np.any(y < 0) or y.dtype.kind == "f")
    return np.asarray(np.power(x.astype(np.float64) if whole else x, y)).astype(x.dtype)


def _shrink(x: Tensor, *, lambd: float = 0.5, bias: float = 0.0) -> Tensor:
    return np.where(x < -lambd, x + bias, np.where(x > lambd, x - bias, 0))


def _selu(
    x: Tensor, *, alpha: float = 1.6732632423543772, gamma: float = 1.0507009873554805
) -> Tensor:
    return np.asarray(gamma * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))))


def _is_inf(x: Tensor, *, detect_positive: int = 1, detect_negative: int = 1) -> Tensor:
    wanted = np.where(x > 0, bool(detect_positive), bool(detect_negative))
    return np.asarray(np.isinf(x) & wanted)


def _slice(
    x: Tensor, starts: Tensor, ends: Tensor, axes: Tensor | None = None, steps: Tensor | None = None
) -> Tensor:
    where = range(len(starts)) if axes is None else axes
    strides = np.ones(len(starts), int) if steps is None else steps
    index: list[slice] = [slice(None)] * x.ndim
    for axis, start, end, stride in zip(where, starts, ends, strides, strict=True):
        # ONNX says "to the end" with numbers beyond any length; numpy agrees, except that going
        # backwards past the first element is spelled None.
        stop = None if stride < 0 and end < -x.shape[axis] else int(end)
        # Likewise a start before the first element is the first element.
        index[int(axis)] = slice(max(int(start), -x.shape[axis]), stop, int(stride))
    return x[tuple(index)]


def _concat(*parts: Tensor, axis: int) -> Tensor:
    return np.concatenate(parts, axis=axis)


def _reshape(x: Tensor, shape: Tensor, *, allowzero: int = 0) -> Tensor:
    wanted = [
        x.shape[i] if size == 0 and not allowzero else int(size) for i, size in enumerate(shape)
    ]
    return x.reshape(wanted)


def _unsqueeze(x: Tensor, axes: Tensor) -> Tensor:
    return np.expand_dims(x, tuple(int(axis) for axis in axes))


def _squeeze(x: Tensor, axes: Tensor | None = None) -> Tensor:
    return np.squeeze(x, None if axes is None else tuple(int(axis) for axis in axes))


def _reduce(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def reduced(
        x: Tensor, axes: Tensor | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0
    ) -> Tensor:
        where: tuple[int, ...] | None = () if axes is None else tuple(int(a) for a in axes)
        if not where and not noop_with_empty_axes:
            where = None
        # numpy sums int32 into int64; ONNX keeps the type.
        return np.asarray(function(x, axis=where, keepdims=bool(keepdims))).astype(x.dtype)

    return reduced


def _mean(x: Tensor, axis: tuple[int, ...] | None = None, *, keepdims: bool = False) -> Tensor:
    """Of no numbers it is NaN, without a warning."""
    total = np.sum(x, axis=axis, keepdims=keepdims)
    return np.asarray(np.divide(total, x.size / max(1, total.size)))


def _log_sum_exp(x: Tensor, **where: Any) -> Tensor:
    """The largest number is taken out, so that no power overflows."""
    largest = np.max(x, axis=where["axis"], keepdims=True)
    centre = np.where(np.isfinite(largest), largest, 0)
    total = np.log(np.sum(np.exp(x - centre), **where))
    return np.asarray(total + centre.reshape(total.shape))


def _cumsum(x: Tensor, axis: Tensor, *, exclusive: int = 0, reverse: int = 0) -> Tensor:
    where = int(axis)
    ordered = np.flip(x, where) if reverse else x
    total = np.cumsum(ordered, where, dtype=x.dtype)
    if exclusive:
        total = total - ordered
    return np.flip(total, where) if reverse else total


def _layer_normalization(
    x: Tensor, scale: Tensor, bias: Tensor | float = 0.0, *, axis: int = -1, epsilon: float = 1e-5
) -> Tensor:
    axes = tuple(range(axis % x.ndim, x.ndim))
    centred = x - _mean(x, axes, keepdims=True)
    variance = _mean(centred * centred, axes, keepdims=True)
    value = np.asarray(centred / np.sqrt(variance + epsilon) * scale + bias)
    if value.shape != x.shape:
        raise ValueError("its scale and bias do not fit its operand")
    return value


def _gather(x: Tensor, indices: Tensor, *, axis: int = 0) -> Tensor:
    return np.take(x, indices.astype(np.int64), axis=axis)


def _gather_nd(x: Tensor, indices: Tensor, *, batch_dims: int = 0) -> Tensor:
    if batch_dims:
        raise ValueError("batch_dims is not supported")
    return np.asarray(x[tuple(np.moveaxis(indices.astype(np.int64), -1, 0))])


def _scatter_nd(x: Tensor, indices: Tensor, updates: Tensor, *, reduction: str = "") -> Tensor:
    changed = np.array(x)
    where = tuple(np.moveaxis(indices.astype(np.int64), -1, 0))
    _scatter(changed, where, updates, reduction)
    return changed


def _scatter_elements(
    x: Tensor, indices: Tensor, updates: Tensor, *, axis: int = 0, reduction: str = ""
) -> Tensor:
    if indices.shape != updates.shape or indices.ndim != x.ndim:
        raise ValueError("its indices, updates and operand do not fit each other")
    changed = np.array(x)
    where: list[Tensor] = list(np.indices(indices.shape))
    where[axis] = indices.astype(np.int64)
    _scatter(changed, tuple(where), updates, reduction)
    return changed


def _scatter(x: Tensor, where: tuple[Tensor, ...], updates: Tensor, reduction: str) -> None:
    if reduction == "add":
        np.add.at(x, where, updates)
    else:
        x[where] = updates


def _shape(x: Tensor, *, start: int = 0, end: int | None = None) -> Tensor:
    return np.array(x.shape[start:end], np.int64)


def _flatten(x: Tensor, *, axis: int = 1) -> Tensor:
    where = axis + x.ndim if axis < 0 else axis
    return x.reshape(int(np.prod(x.shape[:where], dtype=int)), -1)


def _pad(
    x: Tensor, pads: Tensor, value: Tensor | None = None, axes: Tensor | None = None
) -> Tensor:
    where = range(x.ndim) if axes is None else [int(axis) % x.ndim for axis in axes]
    widths = [(0, 0)] * x.ndim
    for axis, before, after in zip(where, *np.split(pads, 2), strict=True):
        widths[axis] = (int(before), int(after))
    # Negative widths cut off.
    ends = zip(x.shape, widths, strict=True)
    kept = tuple(slice(max(-a, 0), size - max(-b, 0)) for size, (a, b) in ends)
    filling = 0 if value is None else value.item()
    return np.pad(x[kept], [(max(a, 0), max(b, 0)) for a, b in widths], constant_values=filling)


def _trilu(x: Tensor, diagonal: Tensor | int = 0, *, upper: int = 1) -> Tensor:
    return (np.triu if upper else np.tril)(x, int(diagonal))


def _eye_like(x: Tensor, *, dtype: str = "", k: int = 0) -> Tensor:
    rows, columns = x.shape
    return np.eye(rows, columns, k, dtype=dtype or x.dtype)


def _expand(x: Tensor, shape: Tensor) -> Tensor:
    return np.asarray(x * np.ones([int(size) for size in shape], x.dtype))


def _each(compute: Callable[..., Tensor], *attributes: str, **more: Any) -> Operator:
    """An element-wise operator."""
    return Operator(compute, attributes, size=sizes.broadcast, elementwise=True, **more)


def _truth(compute: Callable[..., Tensor], *attributes: str) -> Operator:
    """An element-wise operator whose values are truth values."""
    return _each(compute, *attributes, dtype="bool")


def _reduction(function: Callable[..., Tensor], **more: Any) -> Operator:
    return Operator(_reduce(function), ("keepdims", "noop_with_empty_axes"), **more)


OPERATORS: dict[str, Operator] = {
    # element by element
    "Abs": _each(np.abs),
    "Acos": _each(np.arccos),
    "Acosh": _each(np.arccosh),
    "Add": _each(np.add, linear="all", synapses=True),
    "And": _truth(np.logical_and),
    "Asin": _each(np.arcsin),
    "Asinh": _each(np.arcsinh),
    "Atan": _each(np.arctan),
    "Atanh": _each(np.arctanh),
    "Ceil": _each(np.ceil),
    "Celu": _each(
        lambda x, alpha=1.0: np.maximum(x, 0) + np.minimum(0, alpha * np.expm1(x / alpha)), "alpha"
    ),
    "Clip": _each(lambda x, low, high: np.clip(x, low, high)),
    "Cos": _each(np.cos, activation="cos"),
    "Cosh": _each(np.cosh),
    "Div": _each(_div, linear="first", synapses=True),
    "Elu": _each(
        lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))), "alpha"
    ),
    "Equal": _truth(np.equal),
    "Erf": _each(erf),
    "Exp": _each(np.exp),
    "Floor": _each(np.floor),
    "Greater": _truth(np.greater),
    "GreaterOrEqual": _truth(np.greater_equal),
    "HardSigmoid": _each(
        lambda x, alpha=0.2, beta=0.5: np.clip(alpha * x + beta, 0, 1), "alpha", "beta"
    ),
    "HardSwish": _each(lambda x: x * np.clip(x / 6 + 0.5, 0, 1)),
    "Identity": _each(lambda x: x, linear="all", synapses=True, moves="in order"),
    "IsInf": _truth(_is_inf, "detect_negative", "detect_positive"),
    "IsNaN": _truth(np.isnan),
    "LeakyRelu": _each(lambda x, alpha=0.01: np.where(x >= 0, x, alpha * x), "alpha"),
    "Less": _truth(np.less),
    "LessOrEqual": _truth(np.less_equal),
    "Log": _each(np.log),
    "Max": _each(lambda *x: np.maximum.reduce(np.broadcast_arrays(*x))),
    "Mean": _each(lambda *x: sum(x) / len(x)),
    "Min": _each(lambda *x: np.minimum.reduce(np.broadcast_arrays(*x))),
    "Mish": _each(lambda x: x * np.tanh(np.logaddexp(0, x))),
    # Of the sign of the divisor, or with fmod of the dividend.
    "Mod": _each(lambda x, y, fmod=0: (np.fmod if fmod else np.mod)(x, y), "fmod"),
    "Mul": _each(np.multiply, linear="each", synapses=True, multiplications=sizes.one_an_entry),
    "Neg": _each(np.negative, linear="all", synapses=True),
    "Not": _truth(np.logical_not),
    "Or": _truth(np.logical_or),
    "PRelu": _each(lambda x, slope: np.where(x >= 0, x, slope * x)),
    "Pow": _each(_pow),
    "Reciprocal": _each(np.reciprocal),
    "Relu": _each(lambda x: np.maximum(x, 0), activation="relu"),
    "Round": _each(np.round),
    "Selu": _each(_selu, "alpha", "gamma"),
    "Shrink": _each(_shrink, "bias", "lambd"),
    "Sigmoid": _each(expit, activation="sigmoid"),
    "Sign": _each(np.sign),
    "Sin": _each(np.sin, activation="sin"),
    "Sinh": _each(np.sinh),
    "Softplus": _each(lambda x: np.logaddexp(0, x)),
    "Softsign": _each(lambda x: x / (1 + np.abs(x))),
    "Sqrt": _each(np.sqrt),
    "Sub": _each(np.subtract, linear="all", synapses=True),
    "Sum": _each(lambda *x: sum(x), linear="all", synapses=True),
    "Tan": _each(np.tan),
    "Tanh": _each(np.tanh, activation="tanh"),
    "ThresholdedRelu": _each(lambda x, alpha=1.0: np.where(x > alpha, x, 0), "alpha"),
    "Where": _each(np.where, like=1),
    "Xor": _truth(np.logical_xor),
    # linear algebra, reductions, normalisations
    "CumSum": Operator(_cumsum, ("exclusive", "reverse"), linear="first"),
    "Einsum": Operator(
        lambda *operands, equation: np.einsum(equation, *operands, optimize=True),
        size=sizes.einsum,
        linear="each",
        multiplications=sizes.einsum_multiplications,
    ),
    "Gemm": Operator(
        _gemm,
        ("alpha", "beta", "transA", "transB"),
        size=sizes.gemm,
        linear="first",
        multiplications=sizes.product_multiplications,
    ),
    "LayerNormalization": Operator(_layer_normalization, ("axis", "epsilon")),
    "LogSoftmax": Operator(lambda x, axis=-1: log_softmax(x, axis)),
    "MatMul": Operator(
        np.matmul,
        size=sizes.matmul,
        linear="each",
        multiplications=sizes.product_multiplications,
    ),
    "ReduceL1": _reduction(lambda x, **where: np.sum(np.abs(x), **where)),
    "ReduceL2": _reduction(lambda x, **where: np.sqrt(np.sum(x * x, **where))),
    "ReduceLogSum": _reduction(lambda x, **where: np.log(np.sum(x, **where))),
    "ReduceLogSumExp": _reduction(_log_sum_exp),
    "ReduceMax": _reduction(np.max),
    "ReduceMean": _reduction(_mean, linear="first", synapses=True),
    "ReduceMin": _reduction(np.min),
    "ReduceProd": _reduction(np.prod),
    "ReduceSum": _reduction(np.sum, linear="first", synapses=True),
    "ReduceSumSquare": _reduction(lambda x, **where: np.sum(x * x, **where)),
    "Softmax": Operator(lambda x, axis=-1: softmax(x, axis)),
    # windows of images
    "AveragePool": Operator(average_pool, size=sizes.windows, linear="first"),
    "Conv": Operator(
        conv, size=sizes.windows, linear="first", multiplications=sizes.conv_multiplications
    ),
    "GlobalAveragePool": Operator(lambda x: global_pool(x, largest=False), linear="first"),
    "GlobalMaxPool": Operator(lambda x: global_pool(x, largest=True)),
    "MaxPool": Operator(max_pool, size=sizes.windows),
    # types and shapes
    "Cast": _each(lambda x, to: x.astype(to), dtype_attribute="to"),
    "Concat": Operator(
        _concat, ("axis",), size=sizes.concat, linear="all", synapses=True, moves="anywhere"
    ),
    "ConstantOfShape": Operator(
        lambda shape, value=0.0, dtype="float64": np.full([int(n) for n in shape], value, dtype),
        size=sizes.constant_of_shape,
        shaped_by_values=True,
        dtype="float64",
        dtype_attribute="dtype",
    ),
    "Expand": Operator(_expand, size=sizes.expand, linear="first", moves="anywhere"),
    "EyeLike": Operator(_eye_like, dtype_attribute="dtype"),
    "Flatten": Operator(_flatten, ("axis",), linear="first", moves="in order"),
    "Gather": Operator(
        _gather, ("axis",), size=sizes.gather, linear="first", synapses=True, moves="anywhere"
    ),
    "GatherND": Operator(
        _gather_nd, ("batch_dims",), size=sizes.gather_nd, linear="first", moves="anywhere"
    ),
    "Pad": Operator(_pad, size=sizes.pad, linear="first", shaped_by_values=True),
    "Range": Operator(
        lambda start, end, step: np.arange(start, end, step, dtype=start.dtype),
        size=sizes.arange,
        shaped_by_values=True,
    ),
    "Reshape": Operator(_reshape, ("allowzero",), linear="first", moves="in order"),
    "ScatterElements": Operator(_scatter_elements, ("axis",), linear="first"),
    "ScatterND": Operator(_scatter_nd, linear="first"),
    "Shape": Operator(_shape, ("start", "end"), of_shape=True, dtype="int64"),
    "Size": Operator(lambda x: np.asarray(x.size), of_shape=True, dtype="int64"),
    "Slice": Operator(_slice, linear="first", synapses=True, moves="anywhere"),
    "Squeeze": Operator(_squeeze, linear="first", moves="in order"),
    "Tile": Operator(np.tile, size=sizes.tile, linear="first", moves="anywhere"),
    "Transpose": Operator(
        lambda x, perm=None: np.transpose(x, perm), ("perm",), linear="first", moves="anywhere"
    ),
    "Trilu": Operator(_trilu, ("upper",), linear="first"),
    "Unsqueeze": Operator(_unsqueeze, linear="first", moves="in order"),
}

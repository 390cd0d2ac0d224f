"""Collects the nodes of one random ONNX model and knows what its values can be.

Comparisons, roundings and casts to integers jump: a value that two programs round differently may
fall on either side. Such operators are therefore given *exact* values only, multiples of a power of
two that float32 holds without rounding, whatever the order of the sums; ties are then real ties.
Of the other values the largest magnitude and a bound on what float32 rounds off are followed, and
values that float32 cannot hold well enough are left unused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import numpy as np
import onnx
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

T = TypeVar("T")
KINDS = {
    "bool": TensorProto.BOOL,
    "int8": TensorProto.INT8,
    "uint8": TensorProto.UINT8,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
}
INTEGERS = ("int64", "int32")
GRID = 3  # inputs and most constants are multiples of 1/8
_EPSILON = 2.0**-22  # of float32, with room for functions that are good to a few last digits
_LARGEST, _ROUNDED, _ELEMENTS = 256.0, 5e-6, 200

# Operators for which ONNX Runtime has no kernel for doubles: the operator sets in which it has one
# nevertheless, or in which it inlines the function that defines the operator.
DOUBLE_ONLY_IN: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(("Celu", "Erf", "Gelu", "Mean"), ()),
    **dict.fromkeys(("Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Cosh", "Sinh", "Tan"), ()),
    **dict.fromkeys(("Elu", "HardSigmoid", "HardSwish", "Mish", "Selu"), (18,)),
    **dict.fromkeys(("Softplus", "Softsign", "ThresholdedRelu"), (18,)),
    **dict.fromkeys(("LeakyRelu", "PRelu"), (16, 17, 18)),
    **dict.fromkeys(("AveragePool", "Conv", "GlobalAveragePool", "GlobalMaxPool", "MaxPool"), ()),
    "Clip": tuple(range(12, 25)),
    **dict.fromkeys(("DequantizeLinear", "MatMulInteger", "QLinearMatMul", "QuantizeLinear"), ()),
    **dict.fromkeys(
        (f"com.microsoft::{kind}" for kind in ("BiasGelu", "FastGelu", "FusedGemm", "Gelu")), ()
    ),
    **{f"com.microsoft::QLinear{kind}": () for kind in ("Add", "LeakyRelu", "Mul", "Sigmoid")},
    **{f"com.microsoft::{kind}": () for kind in ("QGemm", "QuickGelu")},
    # The floats that these give are single ones whatever they are given.
    **dict.fromkeys((f"ai.onnx.ml::{kind}" for kind in ("Imputer", "Normalizer", "Scaler")), ()),
}
# Which operands of operators on quantised values are floats; but one, they give integers.
FLOATS_OF_QUANTISED: dict[str, tuple[int, ...]] = {
    "DequantizeLinear": (1,),
    "MatMulInteger": (),
    "QGemm": (1, 4, 7),
    "QLinearAdd": (1, 4, 6),
    "QLinearLeakyRelu": (1, 3),
    "QLinearMatMul": (1, 4, 6),
    "QLinearMul": (1, 4, 6),
    "QLinearSigmoid": (1, 3),
    "QuantizeLinear": (0, 1),
}


def runs_in_double(kind: str, opset: int) -> bool:
    """Whether ONNX Runtime runs the operator on doubles."""
    return opset in DOUBLE_ONLY_IN.get(kind, (opset,))


@dataclass(frozen=True)
class Value:
    """A value of the model.

    Attributes:
        name: As the model calls it.
        shape: With as many samples as the points that it will be run on.
        kind: A key of ``KINDS``.
        bound: Its magnitude is at most this.
        error: What a run in float32 may round off; 0 for exact values.
        grid: An exact value is a multiple of ``2**-grid``.
        fixed: The numbers, of a constant.
    """

    name: str
    shape: tuple[int, ...]
    kind: str
    bound: float
    error: float = 0.0
    grid: int = 0
    fixed: np.ndarray | None = None

    @property
    def floating(self) -> bool:
        return self.kind.startswith("float")

    @property
    def exact(self) -> bool:
        return self.error == 0


@cache
def _below(number: int) -> st.SearchStrategy[int]:
    return st.integers(0, number - 1)


class Builder:
    """The model under construction; ``pool`` are the values that later nodes may use."""

    def __init__(self, draw: st.DrawFn, dtype: str, opset: int, rng: np.random.Generator) -> None:
        self.draw, self.dtype, self.opset, self.rng = draw, dtype, opset, rng
        self.nodes: list[onnx.NodeProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.pool: list[Value] = []

    # choices

    def draw_below(self, number: int) -> int:
        return self.draw(_below(number))

    def pick(self, choices: Sequence[T]) -> T:
        return choices[self.draw_below(len(choices))]

    def maybe(self) -> bool:
        return self.draw_below(2) == 1

    def float(self, where: Callable[[Value], bool] = lambda _: True) -> Value:
        """A floating point value; the inputs are always there to choose."""
        return self.value((self.dtype,), where)

    def exact(self) -> Value:
        """A floating point value on which an operator may jump."""
        return self.float(lambda v: v.exact)

    def value(self, kinds: Sequence[str], where: Callable[[Value], bool] = lambda _: True) -> Value:
        """A value of the given kinds, made of an exact one if there is none yet."""
        found = [v for v in self.pool if v.kind in kinds and where(v)]
        if found:
            return self.pick(found)
        if self.dtype in kinds:
            return self.constant((self.pick((1, 2, 3)),), self.dtype)
        kind = self.pick(kinds)
        return self.cast(self.exact(), kind)

    def partner(self, value: Value, high: float = 2.0) -> Value:
        """A value or a constant of the same kind that broadcasts against ``value``."""
        found = [v for v in self.pool if v.kind == value.kind and _fits(v.shape, value.shape)]
        if found and self.draw_below(3):
            return self.pick(found)
        return self.constant(self.broadcastable(value.shape), value.kind, high)

    def broadcastable(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """A shape that broadcasts against ``shape`` and at times widens it."""
        kept = list(shape[self.draw_below(len(shape) + 1) :])
        kept = [size if self.draw_below(3) else 1 for size in kept]
        if len(kept) == len(shape) < 4 and self.draw_below(4) == 0:
            kept.insert(0, 2)
        return tuple(kept)

    # nodes

    def constant(self, shape: Sequence[int], kind: str, high: float = 2.0, low: float = 0) -> Value:
        """Random numbers of magnitude ``low`` to ``high``; floats are mostly exact."""
        if kind == "bool":
            return self.fixed(self.rng.integers(0, 2, tuple(shape)).astype(bool))
        sign = self.rng.choice([-1, 1], tuple(shape))
        if kind in INTEGERS:
            steps = self.rng.integers(int(np.ceil(low)), int(high) + 1, tuple(shape))
            return self.fixed((sign * steps).astype(kind))
        if self.draw_below(4) == 0:
            array = self.rng.uniform(low, high, tuple(shape)).astype(np.float32)
            return self.fixed((sign * array).astype(kind))
        steps = self.rng.integers(
            int(np.ceil(low * 2**GRID)), int(high * 2**GRID) + 1, tuple(shape)
        )
        return self.fixed((sign * steps / 2**GRID).astype(kind))

    def fixed(self, array: Any) -> Value:
        """A constant in one of the spellings that ONNX has; some are used again."""
        array = np.asarray(array)
        bound = float(np.abs(array).max()) if array.size else 0.0
        grid = next((g for g in range(12) if np.all(array * 2.0**g % 1 == 0)), None)
        error = 2.0**-30 if grid is None else 0.0
        name = self._spell(array)
        value = Value(name, array.shape, str(array.dtype), bound, error, grid or 0, array)
        if 0 < array.size <= _ELEMENTS and bound <= _LARGEST and self.draw_below(4) == 0:
            self.pool.append(value)
        return value

    def ints(self, *numbers: int) -> Value:
        """Sizes, axes, indices: an int64 vector."""
        return self.fixed(np.array(numbers, np.int64))

    def _spell(self, array: np.ndarray) -> str:
        half = array.astype(np.float16) if array.dtype.kind == "f" else None
        if half is not None and self.draw_below(10) == 0 and np.array_equal(half, array):
            held = self.node("Constant", [], value=numpy_helper.from_array(half))
            return self.node("Cast", [held], to=KINDS[str(array.dtype)])
        way = self.draw_below(4)
        if way < 2:
            name = f"w{len(self.weights)}"
            self.weights.append(tensor(array, name, typed=way == 1))
            if self.draw_below(12) == 0:  # as models were written before there were opsets
                self.inputs.append(info(name, str(array.dtype), array.shape))
            return name
        key = {"float32": "value_float", "float64": "value_float", "int64": "value_int"}
        spelling = key.get(str(array.dtype))
        if way == 2 or spelling is None or array.ndim > 1 or self.opset < 12 or not array.size:
            return self.node("Constant", [], value=tensor(array, "", typed=self.maybe()))
        if array.ndim:
            spelling += "s"
        name = self.node("Constant", [], **{spelling: array.tolist()})
        return self.node("Cast", [name], to=TensorProto.DOUBLE) if self._widens(array) else name

    def _widens(self, array: np.ndarray) -> bool:
        """``value_float`` is a float32 whatever the model's type."""
        return array.dtype == np.float64

    def node(self, kind: str, operands: Sequence[str], **attributes: Any) -> str:
        """Write a node, named, unnamed or with a name that others have too."""
        output = f"v{len(self.nodes)}"
        name = self.pick(("", f"{kind}_{len(self.nodes)}", kind, "v0"))
        domain, _, own = kind.rpartition("::")
        node = helper.make_node(own, list(operands), [output], name, domain=domain, **attributes)
        self.nodes.append(node)
        return output

    def add(
        self,
        kind: str,
        operands: Sequence[Value | None],
        shape: Sequence[int],
        result: str,
        *,
        bound: float,
        error: float = 0.0,
        grid: int | None = None,
        **attributes: Any,
    ) -> Value:
        """Add a node and offer its value to later ones.

        Args:
            kind: Operator.
            operands: Its operands, None where one is left out.
            shape: Of the result.
            result: Kind of the result.
            bound: Its largest magnitude.
            error: Of the operands, as it reaches the result.
            grid: Of the result where operands that are exact give a result that is.
            **attributes: Of the node.
        """
        names = [v.name if v is not None else "" for v in operands]
        while names and not names[-1] and self.maybe():
            names.pop()
        name = self.node(kind, names, **attributes)
        exact = grid is not None and all(v.exact for v in operands if v is not None)
        if not result.startswith("float"):
            value = Value(name, tuple(shape), result, bound)
        elif exact and max(bound, 1) * 2.0 ** (grid or 0) <= 2**22:
            value = Value(name, tuple(shape), result, bound, 0.0, grid or 0)
        else:
            value = Value(name, tuple(shape), result, bound, error + bound * _EPSILON)
        small = value.bound <= _LARGEST and int(np.prod(shape, dtype=int)) <= _ELEMENTS
        if small and value.error <= _ROUNDED and 0 not in value.shape:
            self.pool.append(value)
        return value

    def like(
        self,
        kind: str,
        operands: Sequence[Value | None],
        shape: Sequence[int] | None = None,
        **told: Any,
    ) -> Value:
        """Add a node whose value is like its first operand, but for what is told."""
        x = operands[0]
        assert x is not None
        given = {"bound": x.bound, "error": x.error, "grid": x.grid, **told}
        return self.add(kind, operands, x.shape if shape is None else shape, x.kind, **given)

    def runs(self, kind: str) -> bool:
        """Whether ONNX Runtime runs the operator in the model's type."""
        return self.dtype == "float32" or runs_in_double(kind, self.opset)

    # values in a range that an operator needs

    def cast(self, value: Value, kind: str) -> Value:
        """A cast; to integers and truth values of exact values only."""
        bound = 1.0 if kind == "bool" else value.bound
        whole = not kind.startswith("float")
        told = {"bound": bound, "error": value.error, "grid": 0 if whole else value.grid}
        return self.add("Cast", [value], value.shape, kind, **told, to=KINDS[kind])

    def within(self, value: Value, limit: float) -> Value:
        """``value`` or, if it may be larger than ``limit``, something made of it that is not."""
        if value.bound <= limit:
            return value
        if limit >= 1 and self.maybe():
            kind = self.pick(("Tanh", "Sin", "Cos"))
            return self.like(kind, [value], bound=1.0, grid=None)
        power = int(np.ceil(np.log2(value.bound / limit)))
        scale = self.fixed(np.asarray(2.0**-power, value.kind))
        bound, error = value.bound * 2.0**-power, value.error * 2.0**-power
        return self.like("Mul", [value, scale], bound=bound, error=error, grid=value.grid + power)

    def above(self, value: Value, low: float) -> Value:
        """``abs(value) + low``."""
        size = self.like("Abs", [value])
        rest = self.fixed(np.asarray(low, value.kind))
        told = {"bound": value.bound + low, "error": value.error, "grid": max(value.grid, GRID)}
        return self.like("Add", [size, rest], **told)


def _fits(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    try:
        shape = np.broadcast_shapes(a, b)
    except ValueError:
        return False
    return int(np.prod(shape, dtype=int)) <= _ELEMENTS and len(shape) <= 4


def largest(*values: Value) -> dict[str, Any]:
    """Bound, error and grid of what holds elements of several values."""
    return {name: max(getattr(v, name) for v in values) for name in ("bound", "error", "grid")}


def tensor(array: np.ndarray, name: str, typed: bool) -> onnx.TensorProto:
    """A tensor whose numbers stand in the field of their type, or as raw bytes."""
    if not typed:
        return numpy_helper.from_array(array, name)
    kind = KINDS[str(array.dtype)]
    return helper.make_tensor(name, kind, array.shape, array.reshape(-1).tolist())


def info(name: str, kind: str, shape: Sequence[Any] | None) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, KINDS[kind], shape)

"""Which values are floating point."""

from __future__ import annotations

import numpy as np
import pytest

from pinnir.ir.graph import Activation, Constant, Input, Node, Primitive
from pinnir.ir.value_types import is_floating

X = Node("x", Input(2))
WHOLE = Node("whole", Primitive("Cast", {"to": "int64"}), (X,))
LARGER = Node("larger", Primitive("Greater"), (X, X))


@pytest.mark.parametrize(
    ("op", "operands", "floating"),
    [
        (Input(1), (), True),
        (Constant(np.ones(2)), (), True),
        (Constant(np.ones(2, int)), (), False),
        (Activation("tanh"), (X,), True),
        (Primitive("Add"), (X, X), True),
        (Primitive("Add"), (WHOLE, WHOLE), False),
        (Primitive("Cast", {"to": "float64"}), (WHOLE,), True),
        (Primitive("ConstantOfShape", {"value": 1.0}), (WHOLE,), True),
        (Primitive("ConstantOfShape", {"value": 1, "dtype": "int32"}), (WHOLE,), False),
        (Primitive("EyeLike"), (X,), True),
        (Primitive("EyeLike"), (WHOLE,), False),
        (Primitive("EyeLike", {"dtype": "bool"}), (X,), False),
        (Primitive("Pow"), (WHOLE, X), False),
        (Primitive("Shape"), (X,), False),
        (Primitive("Where"), (LARGER, X, X), True),
        (Primitive("Where"), (LARGER, WHOLE, WHOLE), False),
        (Primitive("Xor"), (LARGER, LARGER), False),
    ],
)
def test_is_floating(op, operands, floating):
    assert is_floating(Node("y", op, operands)) is floating

"""Functions of neurons as bytes, and back: what a program file keeps of an activation.

JSON: the name and parameters of a function of ``activations.py``, or a body node by node. Numbers
keep all their digits. Reading builds nothing but element-wise operators, so a file can ask for no
more than arithmetic.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from pinnir.ir.graph import Activation, Constant, Graph, Input, Level, Node, Primitive
from pinnir.numerics.activations import ACTIVATIONS
from pinnir.numerics.operators import OPERATORS

_MOST_ARGUMENTS = 2**12


def function_to_bytes(op: Activation) -> bytes:
    """The activation as JSON."""
    told: dict[str, Any] = {"function": op.function, "arguments": op.arguments}
    if op.body is None:
        told["parameters"] = [np.asarray(value).tolist() for value in op.parameters]
    else:
        told["body"] = [_told(node) for node in op.body.nodes]
        told["inputs"] = [node.name for node in op.body.inputs]
        told["output"] = op.body.outputs[0].name
    return json.dumps(told, sort_keys=True).encode()


def _told(node: Node) -> list[Any]:
    """``[name, kind, operands, what else there is]``."""
    operands = [operand.name for operand in node.operands]
    match node.op:
        case Input(width=width):
            return [node.name, "input", operands, width]
        case Constant(value=value):
            return [node.name, "constant", operands, [str(value.dtype), value.tolist()]]
        case Primitive(kind=kind, attributes=attributes):
            return [node.name, kind, operands, dict(attributes)]
        case Activation(function=function, parameters=parameters, body=None):
            given = [np.asarray(value).tolist() for value in parameters]
            return [node.name, "activation", operands, [function, given]]
    raise ValueError(f"a function cannot hold {node}")


def function_from_bytes(data: bytes) -> Activation:
    """The activation that :func:`function_to_bytes` wrote.

    Raises:
        ValueError: If the bytes are something else; KeyError or TypeError likewise.
    """
    told = json.loads(data)
    arguments = told["arguments"]
    if type(arguments) is not int or not 1 <= arguments <= _MOST_ARGUMENTS:
        raise ValueError("a function has a number of arguments")
    if "body" not in told:
        return Activation(
            _known(told["function"]), _parameters(told["parameters"]), arguments=arguments
        )
    built: dict[str, Node] = {}
    for name, kind, operands, more in told["body"]:
        built[name] = _node(name, kind, tuple(built[one] for one in operands), more)
    inputs = tuple(built[name] for name in told["inputs"])
    if len(inputs) != arguments:
        raise ValueError("a function has an input for each argument")
    body = Graph(Level.TENSOR, inputs, (built[told["output"]],))
    return Activation(str(told["function"]), body=body, arguments=arguments)


def _node(name: str, kind: str, operands: tuple[Node, ...], more: Any) -> Node:
    if kind == "input":
        return Node(name, Input(more))
    if kind == "constant":
        dtype, values = more
        value = np.asarray(values, dtype)
        if value.dtype.kind not in "biuf":
            raise ValueError(f"the constant {name} holds no numbers")
        return Node(name, Constant(value))
    if kind == "activation":
        function, parameters = more
        return Node(name, Activation(_known(function), _parameters(parameters)), operands)
    if not (kind in OPERATORS and OPERATORS[kind].elementwise):
        raise ValueError(f"{kind} is not an element-wise operator")
    return Node(name, Primitive(kind, more), operands)


def _known(function: str) -> str:
    if function not in ACTIVATIONS:
        raise ValueError(f"{function!r} is not a function")
    return function


def _parameters(values: list[Any]) -> tuple[float | np.ndarray, ...]:
    return tuple(
        float(value) if np.ndim(value) == 0 else np.asarray(value, np.float64) for value in values
    )

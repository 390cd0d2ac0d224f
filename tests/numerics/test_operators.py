"""Each primitive means what ONNX Runtime computes."""

from __future__ import annotations

from functools import cache

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from pinnir.base.errors import GraphError
from pinnir.ir.evaluate import compute
from pinnir.numerics.operators import OPERATORS

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(3, 4)), RNG.normal(size=(4, 2))
ROW, POSITIVE = RNG.normal(size=4), RNG.uniform(0.1, 3, (3, 4))
CUBE = RNG.normal(size=(3, 1, 2, 1))
KINDS = {
    "bool": TensorProto.BOOL,
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
}

# ONNX Runtime runs these in float32 only.
SINGLE_ONLY = (
    "Acos",
    "Acosh",
    "Asin",
    "Asinh",
    "Atan",
    "Atanh",
    "Celu",
    "Cosh",
    "Elu",
    "Erf",
    "HardSigmoid",
    "HardSwish",
    "LeakyRelu",
    "Mean",
    "Mish",
    "PRelu",
    "Selu",
    "Sinh",
    "Softsign",
    "Tan",
    "ThresholdedRelu",
    "AveragePool",
    "Conv",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "LayerNormalization",
    "Shrink",  # on doubles too
)
REDUCTIONS = (
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSumExp",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceProd",
    "ReduceSum",
    "ReduceSumSquare",
)
IMAGE = np.random.default_rng(5).normal(size=(2, 4, 5, 6))
KERNEL = np.random.default_rng(6).normal(size=(6, 2, 3, 2))
# kind, attributes, operands
CASES = [
    ("Conv", {"group": 2}, (IMAGE, KERNEL, np.arange(6.0))),
    (
        "Conv",
        {"group": 2, "strides": [2, 1], "pads": [1, 0, 2, 1], "dilations": [1, 2]},
        (IMAGE, KERNEL),
    ),
    ("Conv", {}, (IMAGE[:, :, 0], KERNEL[:, :, 0].repeat(2, 1))),
    ("MaxPool", {"kernel_shape": [2, 3]}, (IMAGE,)),
    (
        "MaxPool",
        {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 1], "dilations": [1, 2]},
        (IMAGE,),
    ),
    ("AveragePool", {"kernel_shape": [2, 3], "strides": [1, 2]}, (IMAGE,)),
    *(
        (
            "AveragePool",
            {"kernel_shape": [3, 2], "pads": [1, 1, 0, 1], "count_include_pad": count},
            (IMAGE,),
        )
        for count in (0, 1)
    ),
    ("GlobalAveragePool", {}, (IMAGE,)),
    ("GlobalMaxPool", {}, (IMAGE[:, :, 0],)),
    *(
        (kind, {}, (A,))
        for kind in (
            "Abs",
            "Celu",
            "Cos",
            "Elu",
            "Erf",
            "Exp",
            "HardSigmoid",
            "Identity",
            "LeakyRelu",
            "Mish",
            "Neg",
            "Relu",
            "Selu",
            "Sigmoid",
            "Sin",
            "Softplus",
            "Softsign",
            "Tanh",
        )
    ),
    *((kind, {}, (A / 4,)) for kind in ("Acos", "Asin", "Atanh", "Tan")),
    *(
        (kind, {}, (A,))
        for kind in (
            "Asinh",
            "Atan",
            "Ceil",
            "Cosh",
            "Floor",
            "HardSwish",
            "IsInf",
            "IsNaN",
            "LogSoftmax",
            "Round",
            "Shrink",
            "Sign",
            "Sinh",
            "Size",
            "Softmax",
            "ThresholdedRelu",
        )
    ),
    ("Acosh", {}, (POSITIVE + 1,)),
    ("Round", {}, (np.array([0.5, 1.5, -0.5, -1.5, 2.25]),)),
    *((kind, {}, (A, POSITIVE, ROW)) for kind in ("Mean", "Sum")),
    ("PRelu", {}, (A, ROW)),
    ("Mod", {"fmod": 1}, (A, POSITIVE)),
    ("Mod", {}, (np.array([7, -7, 7, -7]), np.array([2, 2, -2, -2]))),
    ("Mod", {"fmod": 1}, (np.array([7, -7, 7, -7]), np.array([2, 2, -2, -2]))),
    ("Pow", {}, (np.array([4, 9, 2]), np.array([0.5, 0.5, 0.3]))),
    ("Pow", {}, (np.array([4, 9, 2], np.int32), np.array([0, 1, 3]))),
    ("Shrink", {"lambd": 0.25, "bias": 0.5}, (A,)),
    ("ThresholdedRelu", {"alpha": 0.25}, (A,)),
    ("IsInf", {"detect_negative": 0}, (np.array([np.inf, -np.inf, np.nan, 0]),)),
    ("IsInf", {"detect_positive": 0}, (np.array([np.inf, -np.inf, np.nan, 0]),)),
    ("Xor", {}, (A > 0, POSITIVE > 1)),
    *((kind, {"alpha": 0.3}, (A,)) for kind in ("Celu", "Elu", "HardSigmoid", "LeakyRelu", "Selu")),
    ("HardSigmoid", {"beta": 0.1}, (A,)),
    ("Selu", {"gamma": 2.0}, (A,)),
    *(
        (kind, {}, (A, ROW))
        for kind in ("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")
    ),
    *((kind, {}, (A > 0, POSITIVE > 1)) for kind in ("And", "Or")),
    ("Not", {}, (A > 0,)),
    ("Where", {}, (A > 0, A, np.array(0.5))),
    ("Clip", {}, (A, np.array(-0.5), np.array(0.7))),
    ("Einsum", {"equation": "ij,jk->ik"}, (A, B)),
    ("Einsum", {"equation": "bi,ni->bn"}, (A, POSITIVE)),
    *((kind, {}, (A,)) for kind in REDUCTIONS),
    *((kind, {}, (A, np.array([], np.int64))) for kind in REDUCTIONS),
    *((kind, {"noop_with_empty_axes": 1}, (A, np.array([], np.int64))) for kind in REDUCTIONS),
    *((kind, {"keepdims": 0}, (A, np.array([-1]))) for kind in REDUCTIONS),
    ("ReduceLogSumExp", {"keepdims": 0}, (100 * A, np.array([1]))),
    ("ReduceLogSum", {}, (POSITIVE,)),
    ("ReduceLogSum", {"keepdims": 0}, (POSITIVE, np.array([-1]))),
    ("ReduceSum", {}, (np.arange(6, dtype=np.int32).reshape(2, 3), np.array([1]))),
    ("CumSum", {}, (A, np.array(-1))),
    ("CumSum", {"exclusive": 1, "reverse": 1}, (A, np.array(0))),
    ("CumSum", {}, (np.arange(4, dtype=np.int32), np.array(0))),
    ("LayerNormalization", {}, (A, ROW)),
    ("LayerNormalization", {"axis": 0, "epsilon": 0.1}, (A, POSITIVE, A)),
    ("LogSoftmax", {"axis": 0}, (A,)),
    ("Softmax", {"axis": -2}, (A,)),
    ("ReduceSum", {"noop_with_empty_axes": 1}, (A,)),
    ("Cast", {"to": "int64"}, (10 * A,)),
    ("ConstantOfShape", {}, (np.array([2, 3]),)),
    ("Expand", {}, (ROW, np.array([3, 4]))),
    ("Expand", {}, (A, np.array([2, 1, 1]))),
    ("EyeLike", {"k": 1}, (A,)),
    ("Flatten", {}, (CUBE,)),
    ("Flatten", {"axis": 0}, (CUBE,)),
    ("Flatten", {"axis": -1}, (CUBE,)),
    ("Pad", {}, (A, np.array([1, 0, 0, 2]))),
    ("Pad", {}, (A, np.array([-1, 0, 2, -1]), np.array(1.5))),
    ("Pad", {}, (A, np.array([1, 2]), np.array(1.5), np.array([-1]))),
    ("Range", {}, (np.array(0.0), np.array(1.1), np.array(0.25))),
    ("Range", {}, (np.array(5), np.array(0), np.array(-2))),
    ("Tile", {}, (A, np.array([2, 1]))),
    ("Trilu", {}, (A,)),
    ("Trilu", {"upper": 0}, (A, np.array(1))),
    ("Gather", {}, (A, np.array([2, 0]))),
    ("Gather", {"axis": 1}, (A, np.array([[-1], [0]]))),
    ("GatherND", {}, (A, np.array([[0, 1], [2, 3]]))),
    *(
        ("ScatterND", reduction, (A, np.array([[0, 1], [2, 3]]), ROW[:2]))
        for reduction in ({}, {"reduction": "add"})
    ),
    ("ScatterND", {}, (A, np.array([[-1]]), ROW[None])),
    ("ScatterND", {"reduction": "add"}, (A, np.array([[1, 1], [1, 1]]), ROW[:2])),
    *(
        ("ScatterElements", more, (A, np.array([[1, -1], [0, 2]]), B[:2]))
        for more in ({"axis": 1}, {"axis": -1}, {"reduction": "add"})
    ),
    ("Shape", {}, (CUBE,)),
    ("Shape", {"start": 1, "end": 3}, (CUBE,)),
    *((kind, {}, (POSITIVE,)) for kind in ("Log", "Reciprocal", "Sqrt")),
    *(
        (kind, {}, (A, b))
        for kind in ("Add", "Div", "Mul", "Sub")
        for b in (POSITIVE, ROW, np.array(2.5), POSITIVE[:, :1])
    ),
    ("Div", {}, (np.array([7, -7, 7, 2**53 + 1]), np.array([2, 2, -2, 1]))),
    ("Pow", {}, (POSITIVE, ROW)),
    ("Pow", {}, (A, np.array(2.0))),
    ("Max", {}, (A, POSITIVE, ROW)),
    ("Max", {}, (A,)),
    ("Min", {}, (A, POSITIVE, np.array(0.1))),
    ("Min", {}, (A,)),
    ("Gemm", {}, (A, B)),
    ("Gemm", {"alpha": 0.5, "beta": 2.0}, (A, B, B[0])),
    ("Gemm", {"transA": 1, "transB": 1}, (A.T.copy(), B.T.copy(), B[:1])),
    ("Gemm", {"beta": 0.5}, (A, B, np.array(3.0))),
    ("Gemm", {}, (A, B, A[:, :1])),
    ("MatMul", {}, (A, B)),
    ("MatMul", {}, (ROW, B)),
    ("MatMul", {}, (CUBE.swapaxes(2, 3), CUBE)),
    ("Concat", {"axis": 1}, (A, POSITIVE[:, :2], A)),
    ("Concat", {"axis": -2}, (A, POSITIVE)),
    ("Reshape", {}, (A, np.array([2, -1]))),
    ("Reshape", {}, (A, np.array([0, 2, 2]))),
    ("Reshape", {"allowzero": 1}, (A[:, :0], np.array([0, 7]))),
    ("Slice", {}, (A, np.array([1]), np.array([3]))),
    ("Squeeze", {}, (CUBE,)),
    ("Squeeze", {}, (CUBE, np.array([1]))),
    ("Squeeze", {}, (CUBE, np.array([-1, 1]))),
    ("Transpose", {}, (CUBE,)),
    ("Transpose", {"perm": [2, 0, 1, 3]}, (CUBE,)),
    ("Unsqueeze", {}, (A, np.array([1]))),
    ("Unsqueeze", {}, (A, np.array([-1, 0]))),
]


@cache
def session(
    kind: str, attributes: tuple, types: tuple[str, ...], ranks: tuple[int, ...]
) -> onnxruntime.InferenceSession:
    """A model of one node whose operands are all inputs."""
    names = [f"x{i}" for i in range(len(types))]
    inputs = [
        helper.make_tensor_value_info(name, KINDS[dtype], [None] * rank)
        for name, dtype, rank in zip(names, types, ranks, strict=True)
    ]
    told = dict(attributes)
    if kind == "Cast":
        told["to"] = KINDS[told["to"]]
    node = helper.make_node(kind, names, ["y"], **told)
    output = helper.make_tensor_value_info("y", _result_type(kind, types), None)
    model = helper.make_model(
        helper.make_graph([node], "one", inputs, [output]),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=8,
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def _result_type(kind: str, types: tuple[str, ...]) -> int:
    if kind in ("Cast", "ConstantOfShape"):
        return TensorProto.INT64 if kind == "Cast" else TensorProto.FLOAT
    row = OPERATORS[kind]
    return KINDS[row.dtype or types[row.like]]


def runtime(kind: str, attributes: dict, operands: list[np.ndarray]) -> np.ndarray:
    hashable = tuple((k, tuple(v) if isinstance(v, list) else v) for k, v in attributes.items())
    types = tuple(str(x.dtype) for x in operands)
    model = session(kind, hashable, types, tuple(x.ndim for x in operands))
    return model.run(None, {f"x{i}": np.ascontiguousarray(x) for i, x in enumerate(operands)})[0]


@pytest.mark.parametrize(
    ("kind", "attributes", "operands", "dtype"),
    [(*case, "float32") for case in CASES]
    + [(*case, "float64") for case in CASES if case[0] not in SINGLE_ONLY],
)
def test_equals_onnx_runtime(kind, attributes, operands, dtype):
    values = [x.astype(dtype) if x.dtype == np.float64 else x for x in operands]
    expected = runtime(kind, attributes, values)
    actual = compute(kind, attributes, values)
    assert actual.shape == expected.shape
    if expected.dtype.kind in "bi":
        assert actual.dtype == expected.dtype
    tolerance = 1e-6 if dtype == "float32" else 1e-14
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


def test_every_operator_is_compared():
    assert {kind for kind, *_ in CASES} == set(OPERATORS)


FLOATS = [case for case in CASES if any(x.dtype == np.float64 for x in case[2])]


@pytest.mark.parametrize(("kind", "attributes", "operands"), FLOATS)
def test_linear_operators_are_linear(kind, attributes, operands):
    """Halfway between two sets of operands the value is halfway, too."""
    floating = np.array([x.dtype == np.float64 for x in operands])
    for change in (floating, *(np.eye(len(operands), dtype=bool) & floating)):
        if change.any() and OPERATORS[kind].is_linear_in(change):
            moves = [np.sin(3 * x) if c else 0 * x for x, c in zip(operands, change, strict=True)]
            values = [
                compute(
                    kind, attributes, [x + far * m for x, m in zip(operands, moves, strict=True)]
                )
                for far in (0, 1, 2)
            ]
            np.testing.assert_allclose(values[1], (values[0] + values[2]) / 2, atol=1e-12)


@pytest.mark.parametrize(("kind", "attributes", "operands"), CASES)
def test_rows_say_what_operators_do(kind, attributes, operands):
    row, value = OPERATORS[kind], compute(kind, attributes, list(operands))
    known = row.size(*operands, **attributes) if row.size else max(x.size for x in operands)
    assert value.size <= known
    if row.elementwise:
        assert value.shape == np.broadcast_shapes(*(x.shape for x in operands))
    if row.moves:
        sources = operands if row.linear == "all" else operands[:1]
        assert set(value.flat) <= set(np.concatenate([x.reshape(-1) for x in sources]))
    if row.moves == "in order":
        np.testing.assert_array_equal(value.reshape(-1), operands[0].reshape(-1))
    dtype = attributes.get(row.dtype_attribute) or row.dtype or operands[row.like].dtype
    assert value.dtype == dtype


@pytest.mark.parametrize(
    ("kind", "computed", "linear"),
    [
        ("Add", [True, True], True),
        ("Concat", [True, False, True], True),
        ("Mul", [False, True], True),
        ("Mul", [True, True], False),
        ("Div", [True, False], True),
        ("Div", [False, True], False),
        ("Slice", [True, False, False], True),
        ("Gather", [True, True], False),
        ("Abs", [True], False),
    ],
)
def test_which_operands_an_operator_is_linear_in(kind, computed, linear):
    assert OPERATORS[kind].is_linear_in(computed) is linear


FAR = 2**63 - 1
ENDS = st.one_of(st.integers(-7, 7), st.sampled_from([FAR, -FAR]))
# Backwards to the largest number means nothing in ONNX; ONNX Runtime takes it for the beginning.
RANGE = st.tuples(ENDS, ENDS, st.integers(-3, 3).filter(bool)).filter(
    lambda r: r[1] != FAR or r[2] > 0
)


@settings(max_examples=200)
@given(ranges=st.lists(RANGE, min_size=1, max_size=2), axes=st.permutations([0, 1]))
def test_slice_equals_onnx_runtime(ranges, axes):
    x = np.arange(20.0).reshape(4, 5)
    starts, ends, steps = np.array(ranges, np.int64).T
    operands = [x, starts, ends, np.array(axes[: len(ranges)]) - 2, steps]
    np.testing.assert_array_equal(compute("Slice", {}, operands), runtime("Slice", {}, operands))
    whole = [x, starts, ends]
    np.testing.assert_array_equal(compute("Slice", {}, whole), runtime("Slice", {}, whole))


@pytest.mark.parametrize(
    ("kind", "operands", "cause"),
    [
        ("Add", [np.ones(2), np.ones(3)], ValueError),
        ("Reshape", [np.ones(4), np.array([3])], ValueError),
        ("Concat", [np.ones(2), np.ones(2)], TypeError),
        ("LayerNormalization", [np.ones((1, 2)), np.ones((3, 2))], ValueError),
        ("Slice", [np.ones(2), np.array([0]), np.array([1]), np.array([5])], IndexError),
    ],
)
def test_operands_that_do_not_fit(kind, operands, cause):
    with pytest.raises(GraphError) as caught:
        compute(kind, {}, operands, "node")
    assert isinstance(caught.value.__cause__, cause)
    assert str(caught.value) == (
        f"{kind} 'node': cannot be computed: {caught.value.__cause__}\n"
        "hint: check the shapes in the ONNX model"
    )

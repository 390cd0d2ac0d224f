"""PyTorch modules: what `forward` is given and computes, and that the module stays as it was."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from copy import deepcopy
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pinnir.base.errors import DomainError, FrontendError
from pinnir.base.onnx_runner import OnnxRunner
from pinnir.frontend import Model, read_model
from pinnir.points.domain_forms import read_ranges

WRAP = (
    "\nhint: wrap it in a module whose forward has one parameter, a tensor (samples, columns), or "
    "one parameter (samples, 1) a column"
)
RNG = np.random.default_rng(0)


class Layers(nn.Module):
    """Two layers; what they are given is the subclass's matter."""

    def __init__(self, columns: int = 2, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.hidden = nn.Linear(columns, 8, dtype=dtype)
        self.last = nn.Linear(8, 1, dtype=dtype)

    def of(self, points: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.last(torch.tanh(self.hidden(points)))
        return out


class OneTensor(Layers):
    def forward(self, points):
        return self.of(points)


class EachColumn(Layers):
    def forward(self, x, t):
        return self.of(torch.cat([x, t], dim=1))


class WithOptions(Layers):
    def forward(self, points, scale=2.0, *, shift=None):
        return scale * self.of(points) + (0 if shift is None else shift)


class InEvaluation(Layers):
    """Computes something else while it is trained, keeps a value, and counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(8)
        self.drop = nn.Dropout(0.5)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, points):
        self.calls += 1
        self.kept = self.drop(self.norm(torch.tanh(self.hidden(points))))
        return self.last(self.kept)


def values(model: Model, points: np.ndarray) -> np.ndarray:
    runner = OnnxRunner(model.data, "model")
    ends = np.cumsum([shape[-1] for shape in runner.shapes])[:-1]
    (output,) = runner(np.split(points, ends, axis=1))
    return output


def refusal(module: nn.Module, columns: Any = ("x", "t")) -> str:
    with pytest.raises(FrontendError) as caught:
        read_model(module, columns)
    return str(caught.value)


@pytest.mark.parametrize(
    ("make", "columns", "inputs"),
    [
        (OneTensor, ("x", "t"), [("points", 2, 0)]),
        (OneTensor, (None, None), [("points", 2, 0)]),
        (lambda: OneTensor(1), ("x",), [("points", 1, 0)]),
        (lambda: OneTensor(dtype=torch.float64), ("x", "t"), [("points", 2, 0)]),
        (EachColumn, ("t", "x"), [("x", 1, 0), ("t", 1, 0)]),
        (EachColumn, (None, None), [("x", 1, 0), ("t", 1, 0)]),
        (EachColumn, (), [("x", 1, 0), ("t", 1, 0)]),
        (WithOptions, ("x", "t"), [("points", 2, 0)]),
        (InEvaluation, ("x", "t"), [("points", 2, 0)]),
    ],
)
def test_what_forward_is_given_and_computes(
    make: Callable[[], nn.Module], columns: Any, inputs: list[Any]
) -> None:
    torch.manual_seed(0)
    module = make()
    model = read_model(module, columns)
    assert list(model.graph.model_inputs) == inputs
    width = sum(columns for _, columns, _ in inputs)
    points = RNG.uniform(-1, 1, (7, width))
    kind = next(module.parameters()).dtype
    tensor = torch.tensor(points, dtype=kind)
    given = tensor.split(1, dim=1) if len(inputs) > 1 else (tensor,)
    with torch.no_grad():
        expected = module.eval()(*given).numpy()
    tolerance = 1e-12 if kind is torch.float64 else 1e-6
    np.testing.assert_allclose(values(model, points), expected, tolerance, tolerance)


@settings(max_examples=4)
@given(data=st.data())
def test_random_modules(data: st.DataObject) -> None:
    """With any parts trained and others not, in any precision, for any number of columns."""
    sizes = data.draw(st.lists(st.integers(1, 6), min_size=2, max_size=4))
    kind = data.draw(st.sampled_from([torch.float32, torch.float64]))
    torch.manual_seed(data.draw(st.integers(0, 2**32 - 1)))
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        others = nn.BatchNorm1d(inputs), nn.Dropout(0.3), nn.SiLU()
        layers += [data.draw(st.sampled_from(others)), nn.Linear(inputs, outputs)]
    module = nn.Sequential(*layers).to(kind)
    for part in module:
        part.train(data.draw(st.booleans()))
    modes = [part.training for part in module.modules()]
    model = read_model(module, (None,) * sizes[0])
    assert [part.training for part in module.modules()] == modes
    points = RNG.uniform(-1, 1, (5, sizes[0]))
    with torch.no_grad():
        expected = module.eval()(torch.tensor(points, dtype=kind)).numpy()
    np.testing.assert_allclose(values(model, points), expected, 1e-5, 1e-6)


@pytest.mark.parametrize("fails", [False, True])
def test_a_module_stays_as_it_was(fails: bool) -> None:
    module = InEvaluation()
    module.drop.eval()
    module.hidden.weight.requires_grad_(False)
    if fails:
        module.last = nn.Linear(5, 1)
    state, random = deepcopy(module.state_dict()), torch.get_rng_state()
    attributes = {part: dict(vars(part)) for part in module.modules()}
    if fails:
        assert refusal(module).startswith("torch cannot export the module InEvaluation: ")
    else:
        read_model(module, ("x", "t"))
    assert {part: dict(vars(part)) for part in module.modules()} == attributes
    assert module.training and not module.drop.training
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())
    assert all(value.grad is None for value in module.parameters())
    assert torch.equal(torch.get_rng_state(), random)


def test_the_same_weights_are_the_same_model_wherever_their_code_is():
    module = OneTensor()
    model = read_model(module, ("x", "t"))
    assert read_model(deepcopy(module), ("x", "t")).sha256 == model.sha256
    for note in (__file__, "forward", "torch.nn"):
        assert note.encode() not in model.data


class NoTensor(Layers):
    def forward(self):
        return self.of(torch.zeros(1, 2))


class AnyNumber(Layers):
    def forward(self, *points):
        return self.of(points[0])


class ByKeyword(Layers):
    def forward(self, points, *, scale):
        return scale * self.of(points)


@pytest.mark.parametrize(
    ("module", "columns", "forward", "told"),
    [
        (NoTensor(), ("x", "t"), "forward()", "x, t"),
        (AnyNumber(), ("x", "t"), "forward(*points)", "x, t"),
        (AnyNumber(), (), "forward(*points)", "any number"),
        (ByKeyword(), ("x", "t"), "forward(points, *, scale)", "x, t"),
        (EachColumn(), ("x",), "forward(x, t)", "x"),
        (EachColumn(), ("x", "y", "t"), "forward(x, t)", "x, y, t"),
        (EachColumn(), (None,), "forward(x, t)", "one without a name"),
    ],
)
def test_columns_that_do_not_fit_forward(module, columns, forward, told):
    assert refusal(module, columns) == (
        f"{forward} of the module {type(module).__name__} does not fit the domain's columns "
        f"({told}){WRAP}"
    )


@pytest.mark.parametrize("forward", [torch.tanh, 3])
def test_a_forward_without_a_signature(forward):
    module = nn.Module()
    module.forward = forward
    assert refusal(module) == (
        f"forward of the module Module does not say what its parameters are{WRAP}"
    )


def test_a_number_of_columns_that_nothing_says():
    assert refusal(OneTensor(), read_ranges("-1:1").columns) == (
        "forward(points) of the module OneTensor takes any number of columns, as the domain does\n"
        'hint: name every column of the domain, as in "x=-1:1,t=0:1"'
    )


def test_columns_are_called_as_the_parameters():
    ranges = read_ranges("x=-1:1,time=0:1")
    model = read_model(EachColumn(), ranges.columns)
    with pytest.raises(DomainError, match="says nothing of the model's input 't'"):
        ranges.domain(model.graph.model_inputs)


@pytest.mark.parametrize("module", [OneTensor().to("meta"), nn.LazyLinear(1)])
def test_weights_without_values(module):
    assert refusal(module) == (
        f"the module {type(module).__name__} has weights without values\n"
        "hint: load or train them first"
    )


class Branches(Layers):
    def forward(self, points):
        return self.of(points) if points.sum() > 0 else self.of(-points)


class FixedBatch(Layers):
    def forward(self, points):
        return self.of(points.view(64, 2))


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (Branches(), "Could not guard on data-dependent expression "),
        (FixedBatch(), "Constraints violated (samples)!"),
        (OneTensor(3), "a and b must have same reduction dim"),
        (torch.jit.script(nn.Linear(2, 1)), "Exporting a ScriptModule is not supported"),
    ],
)
def test_what_torch_cannot_export(module, reason, capfd):
    told, _, hint = refusal(module).partition("\n")
    start = f"torch cannot export the module {type(module).__name__}: "
    assert told.startswith(start + reason)
    assert hint == "hint: give the network alone, or the file that torch.onnx.export writes"
    assert "Traceback" not in "".join(capfd.readouterr())


def test_onnxscript_is_missing(monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnxscript" else real(name)
    )
    assert refusal(OneTensor()) == (
        "torch exports modules with the package onnxscript, which is not installed\n"
        'hint: run: pip install "pinnir[torch]"'
    )


def test_operators_that_torch_writes_and_pinnir_does_not_know():
    assert "LSTM" in refusal(nn.LSTM(2, 1))

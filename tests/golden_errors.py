"""The errors that users are most likely to meet, as pinnir prints them.

``python -m tests.golden_errors`` renews ``tests/golden/errors/*.txt`` and ``docs/errors.md`` after
a change that is meant to change them; a test compares both verbatim.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import nir
import numpy as np
import onnx
from click.testing import CliRunner
from onnx import TensorProto, helper

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "golden" / "errors"
PAGE = ROOT / "docs" / "errors.md"
DOMAIN = '--domain "x=-1:1,t=0:1"'
_PYTHON = ">>> "

_HEAD = """# When something is wrong

pinnir says what is wrong, where, and what to do, in one message on standard error, and writes no
file; in Python the message is an exception. Exit codes: 1 a requirement (the tolerance) was not
met, 2 bad input, 3 a bug in pinnir.
Written by `python -m tests.golden_errors`; a test compares every message with what is printed.
"""


@dataclass(frozen=True)
class Case:
    """One mistake.

    Attributes:
        title: What the user did.
        command: The command, as typed; or an expression of Python, in which ``pinnir``, ``np``,
            ``onnx`` and ``nn`` of torch are known, and the modules of :func:`_raised`.
        prepare: Makes the files for it in the working folder; ``model.onnx`` is a good network and
            ``model.nir`` its program.
    """

    title: str
    command: str
    prepare: Callable[[], object] = lambda: None

    @property
    def name(self) -> str:
        """Of its golden file."""
        return self.title.lower().replace(" ", "-").replace("`", "")


def _with_memory() -> None:
    from tests.helpers import onnx_model, save

    nodes = [
        helper.make_node("Gemm", ["x", "w"], ["a"], "scores"),
        helper.make_node("LSTM", ["a", "w", "w"], ["b"], "memory"),
        helper.make_node("GRU", ["b", "w", "w"], ["y"], "gates"),
    ]
    weights = {"w": np.ones((2, 4), np.float32)}
    save(Path(), onnx_model(nodes, weights))


def _with_nan() -> None:
    from tests.helpers import onnx_model, save

    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Tanh", ["h"], ["y"])]
    save(Path(), onnx_model(nodes, {"w": np.array([[1], [np.nan]], np.float32)}))


def _without_data() -> None:
    from tests.helpers import onnx_model, save

    model = onnx_model([helper.make_node("MatMul", ["x", "w"], ["y"])])
    tensor = TensorProto(name="w", dims=(2, 1), data_type=TensorProto.FLOAT)
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="model.onnx.data")
    model.graph.initializer.append(tensor)
    save(Path(), model)


def _cut() -> None:
    data = Path("model.onnx").read_bytes()
    Path("model.onnx").write_bytes(data[: len(data) // 2])


def _with_other_byte() -> None:
    data = bytearray(Path("model.nir").read_bytes())
    data[len(data) // 2] ^= 1
    Path("model.nir").write_bytes(data)


def _of_an_older_format() -> None:
    from pinnir.base.files import seal

    with h5py.File("model.nir", "r+") as file:
        told = json.loads(file["pinnir/manifest"][()].tobytes())
        told |= {"versions": {"pinnir": "0.1.0"}, "rtol": 0.01}
        del file["pinnir/manifest"]
        file["pinnir/manifest"] = np.frombuffer(json.dumps(told).encode(), np.uint8)
    Path("old.nir").write_bytes(seal(Path("model.nir").read_bytes()[512:], 2))


def _plain_nir() -> None:
    nir.write("other.nir", nir.NIRGraph.from_list(nir.Affine(np.ones((1, 2)), np.ones(1))))


def _points_outside() -> None:
    np.save("points.npy", np.array([[0, 0.5], [0, 1.5]]))


def _delta_program() -> None:
    from tests.backends.networks import small_program

    Path("delta.nir").write_bytes(small_program("delta").to_bytes())


def _of_images() -> None:
    from fuzz.onnx_bases import patches

    Path("model.onnx").write_bytes(patches())


def _saved_module() -> None:
    import torch

    torch.save(torch.nn.Linear(2, 1), "flow.pt")


def _of_integers(*nodes: onnx.NodeProto) -> None:
    """A network in whole numbers, rounded by what each batch holds."""
    from tests.helpers import onnx_model, save

    rounding = helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"], "rounding")
    weights = {"w": np.ones((2, 1), np.uint8), "zeros": np.zeros(2, np.uint8)}
    save(Path(), onnx_model([rounding, *nodes], weights, opset=21))


def _rounded_by_the_batch() -> None:
    _of_integers(helper.make_node("Flatten", ["q"], ["y"], "rows"))


def _scale_of_the_batch() -> None:
    steps = helper.make_node("QuantizeLinear", ["x", "t"], ["p"], "steps")
    largest = helper.make_node("ReduceMax", ["x"], ["t"], "largest", keepdims=0)
    _of_integers(largest, steps, helper.make_node("Cast", ["p"], ["y"], "floats", to=1))


def _zero_points_of_rows() -> None:
    product = helper.make_node("MatMulInteger", ["c", "w", "zeros"], ["p"], "product")
    whole = helper.make_node("Cast", ["x"], ["c"], "whole", to=TensorProto.UINT8)
    _of_integers(whole, product, helper.make_node("Cast", ["p"], ["y"], "floats", to=1))


def _in_bfloat16() -> None:
    from tests.helpers import onnx_model, save

    layer = helper.make_node("Identity", ["x"], ["y"])
    save(Path(), onnx_model([layer], kind=TensorProto.BFLOAT16))


def _of_points() -> None:
    from tests.frontend.test_any_rank import MIXING
    from tests.helpers import save

    save(Path(), MIXING["the mean of points"][0].proto)


def _of_open_columns() -> None:
    from tests.helpers import onnx_model, save

    nodes = [helper.make_node("Tanh", ["x"], ["y"])]
    save(Path(), onnx_model(nodes, inputs={"x": (None, 2, None)}))


def _of_large_images() -> None:
    from tests.helpers import onnx_model, save

    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], "edges", kernel_shape=[3, 3])]
    weights = {"w": np.ones((4, 3, 3, 3), np.float32)}
    save(Path(), onnx_model(nodes, weights, inputs={"x": (None, 3, 64, 64)}))


def _of_eight_samples() -> None:
    from tests.helpers import onnx_model, save

    nodes = [
        helper.make_node("Reshape", ["x", "shape"], ["halves"], "halves"),
        helper.make_node("MatMul", ["halves", "w"], ["y"]),
    ]
    weights = {"shape": np.array([4, 4]), "w": np.ones((4, 1), np.float32)}
    save(Path(), onnx_model(nodes, weights, inputs={"x": (8, 2)}))


_SHORT_STEPS = "fuse-affine,split-host,gather-synapses,lower{coding=signgd,steps=8,eta=0.01}"

_BOX = "[(-1, 1), (0, 1)]"

CASES = (
    Case("The model is not there", f"pinnir compile modle.onnx {DOMAIN} -o model.nir"),
    Case("The model file is damaged", f"pinnir compile model.onnx {DOMAIN} -o model.nir", _cut),
    Case(
        "The network holds other operators",
        f"pinnir compile model.onnx {DOMAIN} -o model.nir",
        _with_memory,
    ),
    Case("The training diverged", f"pinnir compile model.onnx {DOMAIN} -o model.nir", _with_nan),
    Case(
        "The weights were left behind",
        f"pinnir compile model.onnx {DOMAIN} -o model.nir",
        _without_data,
    ),
    Case("The domain lacks a column", 'pinnir compile model.onnx --domain "x=-1:1" -o model.nir'),
    Case("The domain is misspelt", 'pinnir compile model.onnx --domain "x=-1..1" -o model.nir'),
    Case(
        "The tolerance cannot be reached",
        f"pinnir compile model.onnx {DOMAIN} -o model.nir --rtol 1e-9",
    ),
    Case(
        "The cost is unknown", f"pinnir compile model.onnx {DOMAIN} -o model.nir --minimise power"
    ),
    Case(
        "The frontier has another format",
        f"pinnir compile model.onnx {DOMAIN} -o model.nir --frontier frontier.svg",
    ),
    Case(
        "The target is unknown", f"pinnir compile model.onnx {DOMAIN} -o model.nir --target loihi"
    ),
    Case("The output cannot be written", f"pinnir compile model.onnx {DOMAIN} -o out/model.nir"),
    Case(
        "The program file is damaged",
        "pinnir run model.nir --grid 9x9 -o field.npz",
        _with_other_byte,
    ),
    Case(
        "The file is of an older version",
        "pinnir run old.nir --grid 9x9 -o field.npz",
        _of_an_older_format,
    ),
    Case("The file is not of pinnir", "pinnir run other.nir --grid 9x9 -o field.npz", _plain_nir),
    Case(
        "The points lie outside the domain",
        "pinnir run model.nir --points points.npy -o field.npz",
        _points_outside,
    ),
    Case("The grid does not fit", "pinnir run model.nir --grid 9 -o field.npz"),
    Case(
        "The target keeps no state",
        f"pinnir compile model.onnx {DOMAIN} -o model.nir --target nir --coding delta",
    ),
    Case("The program does not stream", "pinnir run model.nir --grid 9x9 --lines 3 -o field.npz"),
    Case(
        "The order does not fit the grid",
        "pinnir run delta.nir --grid 64x100 --order hilbert -o field.npz",
        _delta_program,
    ),
    Case(
        "The lines are too many",
        "pinnir run delta.nir --grid 4x4 --lines 32 -o field.npz",
        _delta_program,
    ),
    Case(
        "The schedule cannot reach the range",
        f"pinnir compile model.onnx {DOMAIN} -o model.nir --pipeline {_SHORT_STEPS}",
    ),
    Case("What is given is no network", '>>> pinnir.compile(42, "-1:1")'),
    Case(
        "The network was saved by PyTorch", '>>> pinnir.compile("flow.pt", "-1:1")', _saved_module
    ),
    Case(
        "The weights of an ONNX model are elsewhere",
        f">>> pinnir.compile(onnx.load('model.onnx', load_external_data=False), {_BOX})",
        _without_data,
    ),
    Case("The module has other parameters", '>>> pinnir.compile(Flow(), "x=-1:1,y=-1:1,t=0:1")'),
    Case("The module has other names", '>>> pinnir.compile(Flow(), {"x": (-1, 1), "y": 0.5})'),
    Case("The columns of a module are not named", '>>> pinnir.compile(nn.Linear(2, 1), "-1:1")'),
    Case("The module has no weights yet", f">>> pinnir.compile(nn.LazyLinear(1), {_BOX})"),
    Case("The module cannot be exported", f">>> pinnir.compile(Space(), {_BOX})"),
    Case("The domain is a number", '>>> pinnir.compile("model.onnx", 3)'),
    Case("The domain is something else", '>>> pinnir.compile("model.onnx", None)'),
    Case("The bounds have another shape", '>>> pinnir.compile("model.onnx", np.zeros(3))'),
    Case("The bounds are of other columns", '>>> pinnir.compile("model.onnx", [(0, 1)] * 3)'),
    Case("The bounds are not numbers", '>>> pinnir.compile("model.onnx", {"x": "a", "t": 1})'),
    Case("The bounds are not finite", '>>> pinnir.compile("model.onnx", [(0, np.nan), (0, 1)])'),
    Case("The bounds are exchanged", '>>> pinnir.compile("model.onnx", {"x": (1, -1), "t": 1})'),
    Case("The key is no name", '>>> pinnir.compile("model.onnx", {0: (0, 1), 1: (0, 1)})'),
    Case(
        "The network is one of images",
        "pinnir compile model.onnx --domain 0:1 -o model.nir",
        _of_images,
    ),
    Case(
        "The network rounds by the batch",
        f"pinnir compile model.onnx {DOMAIN} -o model.nir",
        _rounded_by_the_batch,
    ),
    Case(
        "The network computes its own scale",
        f"pinnir compile model.onnx {DOMAIN} -o model.nir",
        _scale_of_the_batch,
    ),
    Case(
        "The network has a zero point for every point",
        f"pinnir compile model.onnx {DOMAIN} -o model.nir",
        _zero_points_of_rows,
    ),
    Case(
        "The inputs are bfloat16", f"pinnir compile model.onnx {DOMAIN} -o model.nir", _in_bfloat16
    ),
    Case(
        "The image is large",
        "pinnir compile model.onnx --domain 0:1 -o model.nir",
        _of_large_images,
    ),
    Case("The points are mixed", f"pinnir compile model.onnx {DOMAIN} -o model.nir", _of_points),
    Case(
        "The columns are left open",
        f"pinnir compile model.onnx {DOMAIN} -o model.nir",
        _of_open_columns,
    ),
    Case(
        "The number of samples is written down",
        f"pinnir compile model.onnx {DOMAIN} -o model.nir",
        _of_eight_samples,
    ),
)


@contextlib.contextmanager
def _working_folder() -> Iterator[None]:
    from tests.backends.networks import mlp, small_program
    from tests.helpers import save

    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            save(Path(), mlp())
            Path("model.nir").write_bytes(small_program().to_bytes())
            yield
        finally:
            os.chdir(before)


def _raised(expression: str) -> str:
    """The error that an expression of Python raises, as the last lines of a traceback show it."""
    import onnx
    import torch

    import pinnir

    class Flow(torch.nn.Module):
        def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
            return torch.sin(x) * t

    class Space(torch.nn.Module):
        def forward(self, points: torch.Tensor) -> torch.Tensor:
            assert points.shape[1] == 3, "points have the columns x, y, z"
            return torch.sin(points)

    known = {"pinnir": pinnir, "np": np, "onnx": onnx, "nn": torch.nn, "Flow": Flow, "Space": Space}
    try:
        eval(expression, known)
    except pinnir.PinnirError as error:
        return f"{type(error).__module__}.{type(error).__name__}: {error}\n"
    raise AssertionError(f"{expression} raises nothing")


def printed(case: Case) -> str:
    """The command and what it prints."""
    from pinnir.cli import app as cli

    with _working_folder():
        case.prepare()
        if case.command.startswith(_PYTHON):
            return f"{case.command}\n{_raised(case.command.removeprefix(_PYTHON))}"
        result = CliRunner().invoke(cli.main, shlex.split(case.command)[1:])
    assert result.exit_code in (1, 2), result.output
    assert not result.stdout
    return f"$ {case.command}\n{result.stderr}"


def page(texts: dict[str, str]) -> str:
    """``docs/errors.md`` of the printed texts, by title."""
    parts = [f"## {title}\n\n```\n{text}```\n" for title, text in texts.items()]
    return "\n".join([_HEAD, *parts])


def main() -> None:
    """Renew the golden files and the page."""
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for old in GOLDEN.glob("*.txt"):
        old.unlink()
    texts = {case.title: printed(case) for case in CASES}
    for case in CASES:
        (GOLDEN / f"{case.name}.txt").write_text(texts[case.title], encoding="utf-8")
    PAGE.write_text(page(texts), encoding="utf-8")


if __name__ == "__main__":
    main()

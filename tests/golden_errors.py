"""The errors that users are most likely to meet, as pinnir prints them.

``python -m tests.golden_errors`` renews ``tests/golden/errors/*.txt`` and ``docs/errors.md`` after
a change that is meant to change them; a test compares both verbatim.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nir
import numpy as np
from click.testing import CliRunner
from onnx import TensorProto, helper

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "golden" / "errors"
PAGE = ROOT / "docs" / "errors.md"
DOMAIN = '--domain "x=-1:1,t=0:1"'

_HEAD = """# When something is wrong

pinnir says what is wrong, where, and what to do, in one message on standard error, and writes no
file. Exit codes: 1 a requirement (the tolerance) was not met, 2 bad input, 3 a bug in pinnir.
Written by `python -m tests.golden_errors`; a test compares every message with what is printed.
"""


@dataclass(frozen=True)
class Case:
    """One mistake.

    Attributes:
        title: What the user did.
        command: The command, as typed.
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
    Case(
        "The network is one of images",
        "pinnir compile model.onnx --domain 0:1 -o model.nir",
        _of_images,
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


def printed(case: Case) -> str:
    """The command and what it prints."""
    from pinnir.cli import app as cli

    with _working_folder():
        case.prepare()
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

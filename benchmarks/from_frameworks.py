"""The snippets of ``docs/from-your-framework.md``, run as they stand there.

``python -m benchmarks.from_frameworks [NAME ...]`` runs all, or those named, each in an environment
of its own, and writes the table of that page. It takes half an hour and 8 GB.
"""

import argparse
import json
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from platformdirs import user_cache_path

import pinnir
from benchmarks.common import DOCS, table
from pinnir.backends.environments import Environment
from pinnir.metrics.field_errors import relative_l2

PAGE = DOCS / "from-your-framework.md"
_BEGIN, _END = "<!-- measured -->\n", "<!-- end of measured -->\n"
_SNIPPET = re.compile(
    r"<!-- framework: (?P<name>[\w-]+) -->\n\n```python\n(?P<code>.*?)```\n"
    r"(?:\n```\n(?P<command>pinnir compile .*?)```\n)?",
    re.DOTALL,
)
# The versions that the page speaks of. torch is pinned because an unpinned one may bring several GB
# of CUDA libraries.
_RUNNER, _TORCH = "onnx==1.23.2", ("torch==2.13.0", "onnxscript==0.7.2")
# Of these the last two are what DeepXDE's backend for TensorFlow is built on.
_TENSORFLOW = (
    *("deepxde==1.15.0", "tensorflow==2.21.0", "keras==3.15.1", "tf2onnx==1.17.0", _RUNNER),
    *("tensorflow-probability==0.25.0", "tf-keras==2.21.0"),
)
_JAX = ("jax==0.10.2", "jax2onnx==0.17.1", "flax==0.12.8", "equinox==0.13.8", _RUNNER)
_OF_TORCH = "net(torch.as_tensor(points)).detach().numpy()"
# PhysicsNeMo imports torchvision, whose wheel on PyPI is made for CUDA and cannot be imported
# beside a torch for CPUs until its operators have names; the networks here use none of them.
_TORCHVISION = """
for name in ("nms", "qnms"):
    torch.library.define(f"torchvision::{name}", "(Tensor a, Tensor b, float c) -> Tensor")
"""
# Networks are the same in every run.
_SEED = "import numpy as np\nnp.random.seed(0)\n"
_SEED_TORCH = "import torch\ntorch.manual_seed(0)\n"
_SEED_KERAS = "import keras\nkeras.utils.set_random_seed(0)\n"
_WEIGHTS = """import numpy as np
rng = np.random.default_rng(0)
shapes = {"w1": (32, 2), "b1": 32, "w2": (1, 32), "b2": 1}
np.savez("flow.npz", **{name: rng.normal(size=shape) for name, shape in shapes.items()})
"""
_AFTER = """
import importlib.metadata, json
import numpy as np
points = np.load("points.npy")
np.save("own.npy", np.asarray({own}))
versions = {{name: importlib.metadata.version(name) for name in {packages!r}}}
json.dump(versions, open("versions.json", "w"))
"""


@dataclass(frozen=True)
class Framework:
    """How a snippet is run.

    Attributes:
        name: As the page marks it.
        own: Expression for what the framework's own network gives on ``points``.
        packages: Whose versions are told.
        requirements: Of its environment; none if pinnir's own environment for development does.
        environment: Name of that environment, which several may share.
        before: Run before the snippet: seeds, and what users have that the snippet reads.
    """

    name: str
    own: str
    packages: tuple[str, ...]
    requirements: tuple[str, ...] = ()
    environment: str = ""
    before: str = field(default="", repr=False)

    def installed(self, folder: Path) -> Environment | None:
        """Its environment below a folder, made if it is not there; None if it needs none.

        Raises:
            BackendError: If it cannot be made.
        """
        if not self.requirements:
            return None
        found = Environment(self.environment, self.requirements, parent=folder)
        found.install()
        return found


FRAMEWORKS = {
    one.name: one
    for one in (
        Framework("torch", _OF_TORCH, ("torch", "onnxscript"), before=_SEED_TORCH),
        Framework(
            "deepxde-torch",
            _OF_TORCH,
            ("deepxde", "torch"),
            ("deepxde==1.15.0", *_TORCH),
            "deepxde-torch",
            _SEED_TORCH,
        ),
        Framework(
            "deepxde-tensorflow",
            "net(points)",
            ("deepxde", "tensorflow", "tf2onnx"),
            _TENSORFLOW,
            "tensorflow",
            _SEED_KERAS,
        ),
        Framework(
            "pina",
            _OF_TORCH,
            ("pina-mathlab", "torch"),
            ("pina-mathlab==0.3.2.post2610", *_TORCH),
            "pina",
            _SEED_TORCH,
        ),
        Framework(
            "physicsnemo",
            _OF_TORCH,
            ("nvidia-physicsnemo", "torch"),
            ("nvidia-physicsnemo==2.2.2", "torchvision==0.28.0", *_TORCH),
            "physicsnemo",
            _SEED_TORCH + _TORCHVISION,
        ),
        Framework("equinox", "jax.vmap(net)(points)", ("equinox", "jax", "jax2onnx"), _JAX, "jax"),
        Framework("flax", "flow(points)", ("flax", "jax", "jax2onnx"), _JAX, "jax"),
        Framework(
            "keras",
            "net(points)",
            ("keras", "tensorflow", "tf2onnx"),
            _TENSORFLOW,
            "tensorflow",
            _SEED_KERAS,
        ),
        Framework(
            "scikit-learn",
            "net.predict(points)[:, None]",
            ("scikit-learn", "skl2onnx"),
            before=_SEED,
        ),
        Framework(
            "lux",
            "net(torch.as_tensor(points).double()).detach().numpy()",
            ("torch",),
            before=_WEIGHTS,
        ),
    )
}


@dataclass(frozen=True)
class Snippet:
    """What the page says of a framework.

    Attributes:
        code: That exports a network, or compiles it.
        command: That compiles the file, if the code does not.
    """

    code: str
    command: str


@dataclass(frozen=True)
class Measured:
    """What came of a snippet.

    Attributes:
        versions: Of packages.
        source_error: Relative L2 error of the ONNX model against the framework's own values.
        error: Of the program against them.
        levels: Of the program.
        tolerance: That the program was asked for.
    """

    versions: dict[str, str]
    source_error: float
    error: float
    levels: int
    tolerance: float


def snippets() -> dict[str, Snippet]:
    """What the page holds, by the framework's name."""
    found = _SNIPPET.finditer(PAGE.read_text(encoding="utf-8"))
    return {one["name"]: Snippet(one["code"], one["command"] or "") for one in found}


def measure(framework: Framework, environments: Path) -> Measured:
    """Run a framework's snippet and its command, and compare.

    Args:
        framework: Its name is that of a snippet.
        environments: Folder of the environments.
    """
    snippet = snippets()[framework.name]
    environment = framework.installed(environments)
    points = np.random.default_rng(0).uniform((-1, 0), (1, 1), (256, 2)).astype(np.float32)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / "points.npy", points)
        after = _AFTER.format(own=framework.own, packages=framework.packages)
        (folder / "snippet.py").write_text(f"{framework.before}{snippet.code}{after}")
        if environment is None:
            _run((sys.executable, "snippet.py"), folder)
        else:
            environment.run(("snippet.py",), folder)
        if snippet.command:
            start = "from pinnir.cli import main; main()"
            _run((sys.executable, "-c", start, *shlex.split(snippet.command)[1:]), folder)
        program = pinnir.read(folder / "flow.nir")
        own = np.load(folder / "own.npy").astype(np.float64)
        versions = json.loads((folder / "versions.json").read_text())
    found, told = program.run(points.astype(np.float64)), program.manifest
    assert found.source is not None
    errors = relative_l2(found.source, own), relative_l2(found.outputs, own)
    return Measured(versions, *errors, told["levels"], told["rtol"])


def _run(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{shlex.join(command)} failed:\n{done.stdout}{done.stderr}")


def row(framework: Framework, environments: Path) -> list[str]:
    """A row of the table; what failed is told in it."""
    try:
        found = measure(framework, environments)
    except (pinnir.PinnirError, RuntimeError) as error:
        last = str(error).strip().splitlines()[-1].replace("|", "/")
        return [framework.name, "", "", "", "", last]
    versions = ", ".join(f"{name} {version}" for name, version in found.versions.items())
    errors = f"{found.source_error:.1e}", f"{found.error:.2e}"
    return [framework.name, versions, *errors, str(found.levels), ""]


def write(rows: Sequence[Sequence[str]]) -> None:
    """Put the table into the page."""
    headings = ["snippet", "versions", "ONNX, error", "program, error", "levels", "failed with"]
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(_BEGIN)
    after = rest.partition(_END)[2]
    PAGE.write_text(f"{before}{_BEGIN}\n{table(headings, rows)}\n{_END}{after}", encoding="utf-8")


def main() -> None:
    """Run the snippets named, or all, and write the table if it is all."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("names", nargs="*", choices=[*FRAMEWORKS, []], metavar="NAME")
    parser.add_argument("--folder", type=Path, default=user_cache_path("pinnir") / "frameworks")
    asked = parser.parse_args()
    rows = []
    for name in asked.names or FRAMEWORKS:
        rows.append(row(FRAMEWORKS[name], asked.folder))
        print(*rows[-1], sep=" | ", flush=True)
    if not asked.names:
        write(rows)


if __name__ == "__main__":
    main()

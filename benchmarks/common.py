"""What the benchmarks share: the models, and pages of Markdown tables."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pinnir.points.point_files import load_reference

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
EXAMPLES = ROOT / "ir_examples"
# Examples whose programs at 1e-2 are one core.
ONE_CORE = (
    "burgers",
    "deep_regression",
    "diffusion_reaction",
    "function_regression",
    "poisson",
    "wave",
    "beltrami_pinn",
)
# Folder of models trained by others, which are not part of this repository.
MODELS = "PINNIR_MODELS"


@dataclass(frozen=True)
class Case:
    """A model with its domain and, where there is one, its reference solution."""

    name: str
    model: Path
    domain: str
    reference_file: Path | None = None

    @property
    def reference(self) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Points and reference solution."""
        return None if self.reference_file is None else load_reference(self.reference_file)


def own_cases() -> list[Case]:
    """The two examples trained here."""
    domains = {"burgers": "x=-1:1,t=0:1", "poisson": "x=-1:1,y=-1:1"}
    folders = {name: EXAMPLES / name for name in domains}
    return [
        Case(name, folder / "model.onnx", domains[name], folder / "reference.npz")
        for name, folder in folders.items()
    ]


def third_party_cases() -> list[Case]:
    """Four PINNs of github.com/fsantibanezleal/CAOS_PINNLAB, if ``PINNIR_MODELS`` holds them."""
    domains = {
        "bench-heat1d": "x=0:1,t=0:1,alpha=0.1:1",
        "bench-burgers1d": "x=-1:1,t=0:1,nu=0.02:0.08",
        "bench-allencahn": "x=-1:1,t=0:1",
        "ind-helmholtz": "x=0:1,y=0:1",
    }
    folder = Path(os.environ.get(MODELS, "")) / "pinnlab"
    cases = [Case(name, folder / f"{name}.onnx", domain) for name, domain in domains.items()]
    return [case for case in cases if case.model.is_file()]


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(headings) + " |", "|" + "---|" * len(headings)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def write_page(name: str, *parts: str) -> None:
    """Write a page of ``docs/``."""
    (DOCS / name).write_text("\n".join(parts))

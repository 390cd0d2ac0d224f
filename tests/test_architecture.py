"""The map of the package is of today: floors, names, and the paths that the pages name."""

from __future__ import annotations

import ast
import importlib
import re
from collections import defaultdict
from pathlib import Path

import pytest

from benchmarks.architecture import PAGE, folder, page, read_map

ROOT = Path(__file__).parents[1]
PACKAGE = ("compiler", "passes", "backends")
TOPS = (*PACKAGE, "benchmarks", "docs", "fuzz", "ir_examples", "tests")
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
# A page names files as `compiler/ir/graph.py`, `codings/rate.py` or `graph.py`, and folders with a
# slash at the end; `my_...` is a file that the reader is to write.
NAMED = re.compile(r"`((?:[\w.-]+/)*[\w.*{},-]+(?:\.(?:py|md|c|h|ini|toml|json|png)|/))`")
DOTTED = re.compile(r"\b(?:pinnir|benchmarks)(?:\.[a-z_]\w*)+(?:\.[A-Z]\w*)?")
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
# Files of other projects, and what commands write.
FOREIGN = {"block.py", "program.json", "stock.json", "OUT.nir.seconds.json", "README.md", "out/"}


def modules() -> list[Path]:
    """Files of the package; programs for other interpreters have classes of their own."""
    found = [path for top in PACKAGE for path in sorted((ROOT / top).rglob("*.py"))]
    return [path for path in found if "exported" not in path.parts]


def test_the_page_is_of_todays_imports() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(read_map()), (
        "run: python -m benchmarks.architecture"
    )


def test_compiler_holds_packages_only() -> None:
    files = {path.name for path in (ROOT / "compiler").iterdir() if path.is_file()}
    assert files == {"__init__.py", "py.typed"}


def test_every_package_has_a_floor() -> None:
    found = read_map()
    packages = {path.parent.name for path in (ROOT / "compiler").glob("*/__init__.py")}
    assert packages | {"passes", "backends"} == {name for floor in found.floors for name in floor}
    assert all(folder(name).is_dir() for name in packages)


def test_no_two_public_classes_share_a_name() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in modules():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(str(path.relative_to(ROOT)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_paths_that_a_page_names_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    named = [one for one in NAMED.findall(text) if "my_" not in one and one not in FOREIGN]
    missing = [one for one in named if not exists(one)]
    missing += [one for one in LINK.findall(text) if not (path.parent / one).exists()]
    assert missing == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_names_of_python_that_a_page_gives_are_there(path: Path) -> None:
    for name in set(DOTTED.findall(path.read_text(encoding="utf-8"))):
        module, _, attribute = name.rpartition(".")
        found = hasattr(importlib.import_module(module), attribute)
        assert found or importlib.import_module(name), name


def exists(named: str) -> bool:
    """Whether a path, below the root or a package, or a file of that name is there."""
    pattern = re.sub(r"\{[^}]*\}", "*", named.rstrip("/"))
    below = (ROOT, ROOT / "compiler", *(ROOT / top for top in TOPS if "/" not in pattern))
    deep = "/" not in pattern
    return any(
        any(top.rglob(pattern) if deep and top != ROOT else top.glob(pattern)) for top in below
    )

"""The map of the package, drawn from its imports: picture and table of docs/architecture.md.

``python -m benchmarks.architecture`` writes both; a test fails where the page is not of today's
imports.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import grimp
import matplotlib
import networkx

from benchmarks.common import DOCS, ROOT

PAGE = DOCS / "architecture.md"
PICTURE = DOCS / "images" / "architecture.png"
START, END = "<!-- floors: python -m benchmarks.architecture -->\n", "<!-- end of floors -->\n"
_PACKAGE = "pinnir"
# Where packages lie in the repository, if not below compiler/.
_TOP = ("passes", "backends")


@dataclass(frozen=True)
class Map:
    """The packages and what they import from each other.

    Attributes:
        floors: Names of the packages of each floor, the highest first.
        imports: ``(from, to)`` -> number of imports, lazy and typing ones included.
        files: Modules of each package.
    """

    floors: tuple[tuple[str, ...], ...]
    imports: dict[tuple[str, str], int]
    files: dict[str, int]

    def arrows(self) -> list[tuple[str, str]]:
        """The arrows that no others imply: what is left says the same order."""
        graph: networkx.DiGraph = networkx.transitive_reduction(networkx.DiGraph([*self.imports]))
        return sorted(graph.edges)


# Half the height of a box, where a floor is 1 high.
_HALF = 0.27


def folder(package: str) -> Path:
    """Where a package lies in the repository."""
    return ROOT / package if package in _TOP else ROOT / "compiler" / package


def read_map() -> Map:
    """The floors as importlinter.ini states them, and the imports as they are."""
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / "importlinter.ini")
    layers = contracts["importlinter:contract:floors"]["layers"].split()
    floors: list[list[str]] = [[]]
    for word, following in zip(layers, [*layers[1:], ""], strict=True):
        if word != "|":
            floors[-1].append(word.removeprefix(f"{_PACKAGE}."))
            floors += [[]] if following not in ("|", "") else []
    names = [name for floor in floors for name in floor]
    graph = grimp.build_graph(_PACKAGE, cache_dir=None)
    imports: dict[tuple[str, str], int] = {}
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            pair = _of(module), _of(imported)
            if pair[0] != pair[1] and {*pair} <= {*names}:
                imports[pair] = imports.get(pair, 0) + 1
    files = {name: sum(_of(module) == name for module in graph.modules) for name in names}
    return Map(tuple(map(tuple, floors)), imports, files)


def _of(module: str) -> str:
    """The package that a module is in."""
    return module.partition(".")[2].partition(".")[0]


def purpose(package: str) -> str:
    """What a package is for, as its ``__init__`` says in its first sentence."""
    text = (folder(package) / "__init__.py").read_text(encoding="utf-8")
    found = re.match(r'"""(.*?)"""', text, re.DOTALL)
    assert found is not None, package
    return found[1].strip().split("\n\n")[0].replace("\n", " ")


def text_form(found: Map) -> str:
    """The floors as a table: what each package is for, and what it imports."""
    lines = ["| floor | package | what it is for, and what may not be in it | imports |"]
    lines.append("|---|---|---|---|")
    for height, floor in enumerate(found.floors):
        for name in floor:
            below = [one for row in found.floors for one in row if (name, one) in found.imports]
            path = folder(name).relative_to(ROOT)
            cells = [len(found.floors) - height, f"`{path}/`", purpose(name), ", ".join(below)]
            lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"


def page(found: Map) -> str:
    """The page with today's table in it."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    _, _, after = rest.partition(END)
    return before + START + text_form(found) + END + after


def _places(floors: Iterable[tuple[str, ...]]) -> Iterator[tuple[str, float, float]]:
    for height, floor in enumerate(reversed(list(floors))):
        for index, name in enumerate(floor):
            yield name, (index + 1) / (len(floor) + 1), float(height)


def draw(found: Map, path: Path) -> None:
    """The floors as boxes, and the arrows that no others imply."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    at = {name: (x, y) for name, x, y in _places(found.floors)}
    figure, axis = pyplot.subplots(figsize=(9, 7.5))
    style = {"arrowstyle": "-|>", "color": "#7a8793", "linewidth": 1.0, "shrinkA": 0, "shrinkB": 0}
    for start, end in found.arrows():  # from the foot of a box to the head of another
        foot, head = (at[start][0], at[start][1] - _HALF), (at[end][0], at[end][1] + _HALF)
        axis.annotate("", head, foot, arrowprops=style)
    for name, (x, y) in at.items():
        colour = "#ffe3b8" if name in _TOP else "#d7e6f5"
        box = {"boxstyle": "round,pad=0.45", "facecolor": colour, "edgecolor": "#44586b"}
        count = found.files[name]
        axis.text(x, y, f"{name}\n{count} files", ha="center", va="center", fontsize=9, bbox=box)
    for height in range(len(found.floors)):
        axis.text(-0.02, height, f"floor {height + 1}", va="center", ha="right", fontsize=9)
        axis.axhline(height - 0.5, color="#e3e7ea", linewidth=0.8, zorder=0)
    axis.set(xlim=(-0.02, 1), ylim=(-0.6, len(found.floors) - 0.4))
    axis.axis("off")
    figure.savefig(path, dpi=110, bbox_inches="tight", metadata={"Software": None})
    pyplot.close(figure)


def main() -> None:
    """Write the picture, and the table into the page."""
    found = read_map()
    draw(found, PICTURE)
    PAGE.write_text(page(found), encoding="utf-8")


if __name__ == "__main__":
    main()

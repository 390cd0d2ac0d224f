"""Readers of NIR, each in a virtual environment of its own: their dependencies exclude each other.

``python -m pinnir.backends.nir.environments [READER ...] [--folder FOLDER]`` creates what is
missing. Versions are pinned; what is measured belongs to them.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

from pinnir.backends.environments import Environment, cache_folder
from pinnir.base.errors import BackendError
from pinnir.base.registry import look_up

READERS_FOLDER = Path(__file__).with_name("readers")
_COMMAND = "python -m pinnir.backends.nir.environments"
_NIR = ("nir==1.0.8", "nirtorch==2.6", "numpy==2.4.6")
# torch is pinned because an unpinned one may bring several GB of CUDA libraries.
_TORCH = (*_NIR, "torch==2.13.0")


@dataclass(frozen=True)
class Reader:
    """A package that imports NIR.

    Attributes:
        name: Of the package, and of its file in ``readers/``.
        version: Of the package.
        requirements: What pip installs with all dependencies.
        bare: What pip installs without its own dependencies, because it asks for versions that
            cannot be had together, or for much that importing NIR does not need.
    """

    name: str
    version: str
    requirements: tuple[str, ...]
    bare: tuple[str, ...] = ()

    @property
    def script(self) -> Path:
        """The file that imports and runs a graph with it."""
        return READERS_FOLDER / f"{self.name}.py"

    def environment(self, folder: Path | None = None) -> Environment:
        """Its environment below a folder, by default the user's cache."""
        parent = cache_folder() / "readers" if folder is None else folder
        return Environment(f"{self.name}-{self.version}", self.requirements, self.bare, parent)


READERS: dict[str, Reader] = {
    reader.name: reader
    for reader in (
        Reader("norse", "1.1.0", (*_TORCH, "torchvision==0.28.0", "norse==1.1.0")),
        Reader(
            "spikingjelly",
            "2.0.0",
            (*_TORCH, "torchvision==0.28.0", "loguru==0.7.3", "scipy==1.17.1",
             "matplotlib==3.11.2", "tqdm==4.70.1", "packaging==26.3"),
            ("spikingjelly==2.0.0",),
        ),
        Reader("snntorch", "1.0.0", (*_TORCH, "snntorch==1.0.0")),
        # It asks for nir 1.0.4 and older, which cannot read files of today, and for samna.
        Reader("sinabs", "3.1.3", (*_TORCH, "matplotlib==3.11.2", "pbr==7.1.3"),
               ("sinabs==3.1.3",)),
        Reader("spyx", "1.0.0", ("nir==1.0.8", "numpy==2.4.6", "jax==0.10.2", "flax==0.12.8",
                                 "spyx==1.0.0")),
        Reader("rockpool", "3.1.0", (*_TORCH, "rockpool==3.1.0")),
    )
}  # fmt: skip


# Readers that must run a stock variant right.
EXACT = ("norse", "spikingjelly")


def find_python(name: str, folder: Path | None = None) -> Path:
    """A Python that has a reader: its environment's, or this one if the reader is installed here.

    Args:
        name: Of the reader.
        folder: Of the environments, if not the default one.

    Raises:
        BackendError: If there is no such reader, or it is not installed.
    """
    reader = find_reader(name)
    environment = reader.environment(folder)
    if not environment.problem:
        return environment.python
    if importlib.util.find_spec(name) is not None:
        return Path(sys.executable)
    chosen = "" if folder is None else f" --folder {folder}"
    raise BackendError(
        f"{name} {reader.version} is not installed", hint=f"run: {_COMMAND} {name}{chosen}"
    )


def find_reader(name: str) -> Reader:
    """The reader of that name.

    Raises:
        BackendError: If there is none.
    """
    return look_up(READERS, name, "reader", BackendError)


def create(name: str, folder: Path | None = None) -> Path:
    """Make a reader's environment, unless it is there.

    Returns:
        Its folder.

    Raises:
        BackendError: If that fails; what pip says is in the message.
    """
    return find_reader(name).environment(folder).install()


def create_exact() -> list[Path]:
    """Make the environments of the readers that run stock variants exactly; their folders."""
    return [create(name) for name in EXACT]


def main() -> None:
    """Create the environments named on the command line, or all."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("readers", nargs="*", metavar="READER")
    parser.add_argument("--folder", type=Path, default=None)
    asked = parser.parse_args()
    try:
        for name in asked.readers or READERS:
            print(create(name, asked.folder))
    except BackendError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()

"""Python environments of their own for what cannot or may not be imported into pinnir's.

``pinnir install NAME`` makes them. They are in the user's cache, or where the variable
``PINNIR_NAME`` says.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from platformdirs import user_cache_path

from pinnir.base.errors import BackendError
from pinnir.base.registry import look_up

_STAMP = "pinnir-requirements.txt"
_PACKAGES = "lib/python*/site-packages"
_SECONDS = 3600
_TOLD = 2000  # characters of what failed


@dataclass(frozen=True)
class Environment:
    """A Python environment.

    Attributes:
        name: What it is called, and its folder.
        requirements: What pip installs there, pinned.
        bare: What pip installs there without its own dependencies, because it asks for versions
            that cannot be had together, or for much that is not needed.
        version: Of what it is for, if its folder is named after that as well.
        parent: Folder that holds it; None is the user's cache, or what the variable says.
        adds_to: The environment that takes what is installed, if it is none of its own.
        python_version: That the packages ask for, as ``3.10``; without one this Python is good.
        adapt: Lets them run on this Python where none of that version is found.
        imports: A module that must be imported in the end.
        shown_by: Pattern of a file that is there if it is; without one, a stamp with the
            requirements has to be, which is written last.
        missing: What is said where it is not, with ``{folder}``.
        hint: What then has to be done.
    """

    name: str
    requirements: tuple[str, ...]
    bare: tuple[str, ...] = ()
    version: str = ""
    parent: Path | None = None
    adds_to: Environment | None = None
    python_version: str = ""
    adapt: Callable[[Path], None] | None = None
    imports: str = ""
    shown_by: str = ""
    missing: str = ""
    hint: str = ""

    @property
    def folder(self) -> Path:
        """Where it is."""
        if self.adds_to is not None:
            return self.adds_to.folder
        given = os.environ.get(self._variable)
        if given and self.parent is None:
            return Path(given)
        own = f"{self.name}-{self.version}" if self.version else self.name
        return (self.parent or user_cache_path("pinnir")) / own

    @property
    def _variable(self) -> str:
        return f"PINNIR_{self.name.upper()}"

    @property
    def python(self) -> Path:
        """Its interpreter, whether it is there or not."""
        return self.folder / "bin" / "python"

    @property
    def packages(self) -> tuple[str, ...]:
        """All that pip installs there."""
        return (*self.requirements, *self.bare)

    @property
    def problem(self) -> str:
        """Why it cannot be used, or nothing."""
        told = ", ".join(self.packages)
        if not (self.python.exists() and any(self.folder.glob(self.shown_by or _STAMP))):
            missing = self.missing or f"{told} is not installed in {{folder}}"
            return missing.format(folder=self.folder)
        if not self.shown_by and (self.folder / _STAMP).read_text() != self._stamp:
            return f"{self.folder} holds other versions than {told}"
        return ""

    @property
    def _stamp(self) -> str:
        return "".join(f"{one}\n" for one in self.packages)

    def check(self) -> None:
        """Find out whether it can be used.

        Raises:
            BackendError: If not; it says how to make it.
        """
        if self.adds_to is not None:
            self.adds_to.check()
        if self.problem:
            raise BackendError(self.problem, hint=self.hint or f"run: pinnir install {self.name}")

    def install(self) -> Path:
        """Make it anew, unless its stamp says that it holds the pinned versions.

        Returns:
            Its folder.

        Raises:
            BackendError: If the folder holds something else, or a command fails.
        """
        if self.adds_to is not None:
            self.adds_to.check()
            self._fill(adapted=True)
        elif self.shown_by or self.problem:
            self._check_removable()
            try:
                self._make()
            except BaseException:
                # Half an environment would look like one.
                shutil.rmtree(self.folder, ignore_errors=True)
                raise
        return self.folder

    def _check_removable(self) -> None:
        folder = self.folder
        used = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
        if used and not (folder / "pyvenv.cfg").exists():
            hint = "name another folder" if self.parent else f"set {self._variable}"
            raise BackendError(f"{folder} is there and is no Python environment", hint=hint)

    def _make(self) -> None:
        asked = next(_interpreters(self.python_version), None)
        self._call(asked or sys.executable, "-m", "venv", "--clear", str(self.folder))
        self._fill(adapted=asked is None)
        if self.adapt is not None and asked is None:
            self.adapt(self.folder)
        if self.imports:
            self._call(str(self.python), "-c", f"import {self.imports}")
        if not self.shown_by:
            (self.folder / _STAMP).write_text(self._stamp)

    def _fill(self, *, adapted: bool) -> None:
        pip = (str(self.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        self._call(*pip, *self.requirements)
        if self.bare:
            options = ("--no-deps", "--ignore-requires-python") if adapted else ("--no-deps",)
            self._call(*pip, *options, *self.bare)

    def _call(self, *command: str) -> None:
        _call(command, None, f"installing {self.name}", _SECONDS)

    def run(self, arguments: Sequence[str], folder: Path, seconds: int = _SECONDS) -> str:
        """Run a Python script there, with the folder as working directory.

        Args:
            arguments: The script and its arguments.
            folder: Working directory.
            seconds: How long it may take.

        Returns:
            What it printed.

        Raises:
            BackendError: If the environment is missing, or the script fails.
        """
        self.check()
        command = (str(self.python.absolute()), *arguments)
        return _call(command, folder, f"{self.name}'s {arguments[0]}", seconds)


def _interpreters(version: str) -> Iterator[str]:
    """Interpreters of a version that can make environments, this one if none is asked for."""
    if not version:
        yield sys.executable
        return
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    named = shutil.which(f"python{version}")
    own = [str(path) for path in sorted(pyenv.glob(f"{version}.*/bin/python"))]
    script = "import ensurepip, venv, sys; print(*sys.version_info[:2], sep='.')"
    for found in ([named] if named else []) + own:
        told = subprocess.run([found, "-c", script], capture_output=True, text=True, check=False)
        if told.stdout.strip() == version:
            yield found


def _call(command: Sequence[str], folder: Path | None, what: str, seconds: int) -> str:
    # An environment is to see its own packages, and nothing of the caller's.
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    pipe = subprocess.PIPE
    # Processes of a simulator may wait for each other for ever if one of them fails: in a session
    # of their own they can be ended together.
    with subprocess.Popen(
        command, cwd=folder, env=own, stdout=pipe, stderr=pipe, start_new_session=True
    ) as running:
        try:
            printed, complaint = (
                told.decode(errors="replace") for told in running.communicate(timeout=seconds)
            )
        except BaseException as error:
            os.killpg(running.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise BackendError(f"{what} did not end within {seconds} s") from error
            raise
    if running.returncode:
        told = f"{complaint}\n{printed}".strip()[-_TOLD:]
        raise BackendError(f"{what} failed with exit code {running.returncode}:\n{told}")
    return printed


def make_lava_hashable(folder: Path) -> None:
    """Let the dataclasses of one of Lava's modules be hashed, as Pythons after 3.10 ask for."""
    (path,) = folder.glob(f"{_PACKAGES}/lava/magma/compiler/var_model.py")
    source = path.read_text(encoding="utf-8")
    hashed = source.replace("@dataclass\n", "@dataclass(unsafe_hash=True)\n")
    path.write_text(hashed, encoding="utf-8")


_LAVA = Environment(
    "lava",
    (
        *("numpy==1.26.4", "scipy==1.15.3", "asteval==0.9.33", "networkx==2.8.7"),
        *("scikit-learn==1.7.2", "joblib==1.6.0", "cloudpickle==3.1.2", "threadpoolctl==3.8.0"),
    ),
    ("lava-nc==0.10.0",),
    python_version="3.10",
    adapt=make_lava_hashable,
    imports="lava.magma.compiler.compiler",
    shown_by="bin/python",
    missing="Lava is not installed: {folder} is no Python environment",
    hint="pinnir install lava",
)
# A wheel of 68 MB, most of it trained examples. Of its requirements, PyTorch among them, netx needs
# h5py alone for what pinnir writes.
_LAVA_NETX = Environment(
    "lava-netx",
    ("h5py==3.12.1",),
    ("lava-dl==0.6.0",),
    adds_to=_LAVA,
    shown_by=f"{_PACKAGES}/lava/lib/dl/netx/hdf5.py",
    missing="lava-dl is not installed in {folder}",
    hint="pinnir install lava-netx",
)
ENVIRONMENTS: dict[str, Environment] = {
    one.name: one
    for one in (
        Environment("pynn", ("PyNN==0.12.4", "brian2==2.9.0", "numpy==1.26.4")),
        Environment("sanafe", ("sanafe==2.2.9", "numpy==2.4.6")),
        Environment("spinnaker", ("sPyNNaker==1!7.4.1",)),
        _LAVA,
        _LAVA_NETX,
    )
}


def _reader(
    name: str, version: str, requirements: tuple[str, ...], bare: tuple[str, ...] = ()
) -> Environment:
    return Environment(
        name,
        requirements,
        bare,
        version,
        missing=f"{name} {version} is not installed",
        hint=f"run: python -m pinnir.backends.nir.environments {name}",
    )


# torch is pinned because an unpinned one may bring several GB of CUDA libraries.
_TORCH = ("nir==1.0.8", "nirtorch==2.6", "numpy==2.4.6", "torch==2.13.0")
_VISION = (*_TORCH, "torchvision==0.28.0")
# What SpikingJelly asks for besides.
_PLOTS = ("loguru==0.7.3", "scipy==1.17.1", "matplotlib==3.11.2", "tqdm==4.70.1", "packaging==26.3")
_JAX = ("nir==1.0.8", "numpy==2.4.6", "jax==0.10.2", "flax==0.12.8")
# Packages that import NIR; what is measured belongs to these versions.
READERS: dict[str, Environment] = {
    one.name: one
    for one in (
        _reader("norse", "1.1.0", (*_VISION, "norse==1.1.0")),
        _reader("spikingjelly", "2.0.0", (*_VISION, *_PLOTS), ("spikingjelly==2.0.0",)),
        _reader("snntorch", "1.0.0", (*_TORCH, "snntorch==1.0.0")),
        # It asks for nir 1.0.4 and older, which cannot read files of today, and for samna.
        _reader(
            "sinabs", "3.1.3", (*_TORCH, "matplotlib==3.11.2", "pbr==7.1.3"), ("sinabs==3.1.3",)
        ),
        _reader("spyx", "1.0.0", (*_JAX, "spyx==1.0.0")),
        _reader("rockpool", "3.1.0", (*_TORCH, "rockpool==3.1.0")),
    )
}
# Readers that must run a stock variant right.
EXACT = ("norse", "spikingjelly")


def find_reader(name: str, folder: Path | None = None) -> Environment:
    """The environment of a reader of NIR.

    Args:
        name: Of the reader.
        folder: That holds it, if not the default one.

    Raises:
        BackendError: If there is no such reader.
    """
    found = look_up(READERS, name, "reader", BackendError)
    if folder is None:
        return replace(found, parent=user_cache_path("pinnir") / "readers")
    return replace(found, parent=folder, hint=f"{found.hint} --folder {folder}")


def find_environments(name: str) -> list[Environment]:
    """What a target runs in.

    Raises:
        BackendError: If nothing is to be installed for it.
    """
    if name == "nir-stock":
        return [find_reader(one) for one in EXACT]
    if name not in ENVIRONMENTS:
        known = ", ".join([*ENVIRONMENTS, "nir-stock"])
        raise BackendError("nothing is to be installed for it", node=name, hint=f"known: {known}")
    return [ENVIRONMENTS[name]]


def install(name: str) -> list[Path]:
    """Make the environments that a target runs in.

    Returns:
        Their folders.

    Raises:
        BackendError: If nothing is to be installed for it, or that fails.
    """
    return [one.install() for one in find_environments(name)]

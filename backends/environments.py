"""Python environments of their own for what cannot or may not be imported into pinnir's.

``pinnir install NAME`` makes them. They are in the user's cache, or where the variable
``PINNIR_NAME`` says. One holds what it is to hold if its stamp says so, which is written last.
"""

from __future__ import annotations

import os
import subprocess
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pinnir.base.errors import BackendError
from pinnir.base.registry import imported

_STAMP = "pinnir-requirements.txt"
_TOLD = 2000  # characters of what failed


@dataclass(frozen=True)
class Environment:
    """A Python environment.

    Attributes:
        name: What it is called, and its folder.
        requirements: What pip installs there, pinned.
        bare: What pip installs there without its own dependencies.
        parent: Folder that holds it; None is the user's cache, or what the variable says.
    """

    name: str
    requirements: tuple[str, ...]
    bare: tuple[str, ...] = ()
    parent: Path | None = None

    @property
    def folder(self) -> Path:
        """Where it is."""
        if self.parent is not None:
            return self.parent / self.name
        given = os.environ.get(self._variable)
        return Path(given) if given else cache_folder() / self.name

    @property
    def _variable(self) -> str:
        return f"PINNIR_{self.name.upper()}"

    @property
    def python(self) -> Path:
        """Its interpreter, whether it is there or not."""
        return self.folder / "bin" / "python"

    @property
    def problem(self) -> str:
        """Why it cannot be used, or nothing."""
        stamp = self.folder / _STAMP
        told = ", ".join((*self.requirements, *self.bare))
        if not (self.python.exists() and stamp.exists()):
            return f"{told} is not installed in {self.folder}"
        if stamp.read_text() != self._stamp:
            return f"{self.folder} holds other versions than {told}"
        return ""

    def check(self) -> None:
        """Find out whether it can be used.

        Raises:
            BackendError: If not; it says how to make it.
        """
        if self.problem:
            raise BackendError(self.problem, hint=f"run: pinnir install {self.name}")

    @property
    def _stamp(self) -> str:
        return "".join(f"{one}\n" for one in (*self.requirements, *self.bare))

    def install(self) -> Path:
        """Make it anew, unless it holds the pinned versions.

        Returns:
            Its folder.

        Raises:
            BackendError: If the folder holds something else, or pip fails.
        """
        if self.problem:
            check_removable(
                self.folder, "name another folder" if self.parent else f"set {self._variable}"
            )
            venv.create(self.folder, clear=True, with_pip=True)
            self._pip(*self.requirements)
            if self.bare:
                self._pip("--no-deps", *self.bare)
            (self.folder / _STAMP).write_text(self._stamp)
        return self.folder

    def _pip(self, *what: str) -> None:
        pip = [str(self.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _call([*pip, *what], None, None, f"installing {self.name}", 3600)

    def run(
        self,
        arguments: Sequence[str],
        folder: Path,
        seconds: int,
        variables: Mapping[str, str] | None = None,
    ) -> str:
        """Run a Python script there, with the folder as working directory.

        Args:
            arguments: The script and its arguments.
            folder: Working directory.
            seconds: How long it may take.
            variables: Set for it.

        Returns:
            What it printed.

        Raises:
            BackendError: If the environment is missing, or the script fails.
        """
        self.check()
        command = [str(self.python), *arguments]
        return _call(command, folder, variables, f"{self.name}'s {arguments[0]}", seconds)


def check_removable(folder: Path, hint: str) -> None:
    """Find out whether a folder may make place for an environment.

    Raises:
        BackendError: If it holds something else than an environment.
    """
    used = folder.is_dir() and any(folder.iterdir())
    if folder.exists() and (not folder.is_dir() or used) and not (folder / "pyvenv.cfg").exists():
        raise BackendError(f"{folder} is there and is no Python environment", hint=hint)


def cache_folder() -> Path:
    """Where environments are unless somebody says otherwise."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pinnir"


ENVIRONMENTS: dict[str, Environment] = {
    one.name: one
    for one in (
        Environment("pynn", ("PyNN==0.12.4", "brian2==2.9.0", "numpy==1.26.4")),
        Environment("sanafe", ("sanafe==2.2.9", "numpy==2.4.6")),
        Environment("spinnaker", ("sPyNNaker==1!7.4.1",)),
    )
}


# What else there is to install: name of the target -> function that makes its environments.
INSTALLERS: dict[str, str] = {
    "lava": "pinnir.backends.lava.environment:install_default",
    "lava-netx": "pinnir.backends.lava.environment:install_netx",
    "nir-stock": "pinnir.backends.nir.environments:create_exact",
}


def install(name: str) -> list[Path]:
    """Make the environments that a target runs in.

    Returns:
        Their folders.

    Raises:
        BackendError: If nothing is to be installed for it, or that fails.
    """
    if name not in INSTALLERS:
        return [find_environment(name).install()]
    made: list[Path] = imported(INSTALLERS[name])()
    return made


def find_environment(name: str) -> Environment:
    """The environment of that name.

    Raises:
        BackendError: If there is none.
    """
    if name not in ENVIRONMENTS:
        known = ", ".join([*ENVIRONMENTS, *INSTALLERS])
        raise BackendError("nothing is to be installed for it", node=name, hint=f"known: {known}")
    return ENVIRONMENTS[name]


def _call(
    command: list[str],
    folder: Path | None,
    variables: Mapping[str, str] | None,
    what: str,
    seconds: int,
) -> str:
    # The project's own modules are of another environment and must not be seen.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    try:
        done = subprocess.run(
            command, cwd=folder, env=kept | dict(variables or {}), capture_output=True, text=True,
            errors="replace", timeout=seconds, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise BackendError(f"{what} did not end within {seconds} s") from error
    if done.returncode:
        told = f"{done.stderr}\n{done.stdout}".strip()[-_TOLD:]
        raise BackendError(f"{what} failed with exit code {done.returncode}:\n{told}")
    return done.stdout

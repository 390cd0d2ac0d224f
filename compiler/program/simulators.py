"""What runs spiking cores: the protocol, and the table. Simulators are in backends/."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from pinnir.base.errors import BackendError
from pinnir.base.registry import imported, look_up, summary
from pinnir.ir.evaluate import Observer
from pinnir.ir.graph import Graph
from pinnir.numerics.matrix import Array

# (core input (samples, columns), observer) -> core output (samples, columns)
CoreRunner = Callable[[Array, Observer], Array]


class Backend(Protocol):
    """Runs spiking cores; the first line of a backend's docstring is its listing.

    Backends inherit it for the values that attributes have where nothing else is said.

    Attributes:
        points_at_once: Points that cores that were loaded take at once, or None for as many as
            keep the spikes of all units of a layer in the cache.
        handed_over: Why cores that were loaded run on the reference backend instead, if any do.
    """

    points_at_once: int | None = None
    handed_over: tuple[str, ...] = ()

    def load(self, core: Graph, lines: int = 1) -> CoreRunner:
        """Prepare a core, so that it can be run on many chunks of points.

        Args:
            core: A core of one input and one output.
            lines: A core of delta neurons runs along so many lines at once, and keeps its state
                from call to call: it is given the next point of every line, then the one after
                that, and so on. It calls the observer once for all of them. Other cores take
                points in any order.

        Raises:
            BackendError: If the backend cannot run it.
        """
        ...


BACKENDS: dict[str, str] = {
    "fast": "pinnir.backends.fast:FastBackend",
    "reference": "pinnir.backends.reference:ReferenceBackend",
    "norse": "pinnir.backends.norse.backend:NorseBackend",
}


def find_backend(name: str) -> Backend:
    """The backend of that name, imported on demand.

    Raises:
        BackendError: If there is none, or what it needs is not installed.
    """
    place = look_up(BACKENDS, name, "backend", BackendError)
    try:
        backend: Backend = imported(place)()
    except ModuleNotFoundError as error:
        raise BackendError(
            f"backend {name} needs the package {error.name}, which is not installed",
            hint=f"pip install 'pinnir[{name}]'",
        ) from error
    return backend


def describe(name: str) -> dict[str, str]:
    """What a backend is, and whether it can run here, for listings."""
    try:
        return {"is": summary(find_backend(name)), "installed": "yes"}
    except BackendError as error:
        return {"is": error.message, "installed": f"no; {error.hint}"}

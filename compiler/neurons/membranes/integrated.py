"""Populations of a membrane model, integrated in time: the neuron of converted rate programs."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields, replace
from typing import Any, Self

import nir
import numpy as np
from numpy.typing import NDArray

from pinnir.base.errors import BackendError, LegalizeError
from pinnir.ir.graph import Staircase
from pinnir.neurons.membranes.fitzhugh_nagumo import FitzHughNagumo
from pinnir.neurons.membranes.hodgkin_huxley import HodgkinHuxley
from pinnir.neurons.membranes.integrators import INTEGRATORS, Scheme, integrate, start
from pinnir.neurons.membranes.izhikevich import Izhikevich
from pinnir.neurons.membranes.lif import LIF
from pinnir.neurons.membranes.membrane import Membrane, State, Value
from pinnir.neurons.membranes.synapse import Synapse
from pinnir.neurons.programmable import Arrays, Programmable, arrays_of, staircase_of
from pinnir.numerics.matrix import Array

# In a program file a model is its place here.
_MODELS: tuple[type[Membrane], ...] = (LIF, FitzHughNagumo, Izhikevich, HodgkinHuxley)
_METHODS = tuple(INTEGRATORS)
# A program of more would not end.
_MOST_SUBSTEPS = 2**16


@dataclass(frozen=True, eq=False)
class Integrated(Programmable):
    """Units of one membrane model; the input is the current, in the model's unit.

    A unit starts at rest. In one step it is integrated as ``integrators.py`` says, with its input
    held, and its value is the number of times it fires, usually 0 or 1.

    Attributes:
        model: The membrane.
        scheme: How it is simulated.
        response: How many spikes in all steps of the program a constant current brings, ``(units,
            ...)``: its levels are spikes, its boundaries currents.
        synapse: What makes the current of the input; None where it is the input itself.
    """

    coding = "rate"
    exact = False

    model: Membrane
    scheme: Scheme
    response: Staircase
    synapse: Synapse | None = None

    @property
    def units(self) -> int:
        """Number of units."""
        return int(self.response.base.size)

    @property
    def in_nir(self) -> bool:
        """Whether it is leaky integrate-and-fire neurons without synapses of their own."""
        return isinstance(self.model, LIF) and self.synapse is None

    def initial_state(self, samples: int) -> tuple[Array, ...]:
        """The model's variables at rest; then the synapse's state, if there is one."""
        membrane = start(self.model, (samples, self.units))
        if self.synapse is None:
            return membrane
        return (*membrane, np.zeros((samples, self.units)), np.zeros((samples, self.units)))

    def step(self, state: State, current: Value) -> tuple[Array, State]:
        """Spikes ``(samples, units)`` of one step, and the new state.

        Raises:
            BackendError: If the state blows up: the currents are too strong for the step.
        """
        count = len(self.model.variables)
        membrane, arrived = state[:count], state[count:]
        if self.synapse is not None:
            current, arrived = self.synapse.current(arrived, current)
        with np.errstate(over="ignore", invalid="ignore"):
            spikes, membrane = integrate(self.model, self.scheme, membrane, current)
        if not all(np.isfinite(values).all() for values in membrane):
            raise BackendError(
                f"the neurons' state blows up under {self.scheme.integrator} at sub-steps of "
                f"{self.scheme.substep:g} {self.model.time_unit}".rstrip(),
                op=self.model.name,
                hint="compile with more sub-steps",
            )
        return np.asarray(spikes), (*membrane, *arrived)

    def to_nir(self) -> nir.LIF:
        """The NIR primitive, of which there is one for leaky integrate-and-fire neurons.

        Raises:
            LegalizeError: If it is any other model.
        """
        model, scheme = self.model, self.scheme
        if not (self.in_nir and isinstance(model, LIF)):
            raise LegalizeError(
                f"NIR has no primitive for {model.name} neurons",
                op=model.name,
                hint="--target programmable runs them; layers of Izhikevich and Hodgkin-Huxley "
                "neurons are exported with --target pynn",
            )
        ones = np.ones(self.units)
        told = {
            "comparison": ">=",
            "reset": "subtract" if model.subtract else "v_reset",
            "dt": scheme.step,
            "integrator": scheme.integrator,
            "substeps": scheme.substeps,
        }
        return nir.LIF(
            tau=model.tau * ones,
            r=ones.copy(),
            v_leak=0 * ones,
            v_threshold=model.threshold * ones,
            v_reset=(0.0 if model.subtract else model.v_reset) * ones,
            metadata={"pinnir": told},
        )

    @classmethod
    def from_nir(cls, node: nir.LIF) -> Self:
        """The population that :meth:`to_nir` wrote; what currents bring is not told there."""
        told = node.metadata["pinnir"]
        subtract = _word(told["reset"]) == "subtract"
        threshold, tau, reset = map(_one, (node.v_threshold, node.tau, node.v_reset))
        model = LIF(threshold, tau, LIF.v_reset if subtract else reset, subtract)
        scheme = Scheme(_word(told["integrator"]), float(told["dt"]), int(told["substeps"]))
        return cls(model, _checked(scheme), _untold(node.tau.size))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Model, scheme and response."""
        scheme, synapse = self.scheme, self.synapse
        return {
            "model": np.array([_MODELS.index(type(self.model))], np.int32),
            "parameters": np.array(astuple(self.model), np.float64),
            "integrator": np.array([_METHODS.index(scheme.integrator)], np.int32),
            "time": np.array([scheme.step]),
            "substeps": np.array([scheme.substeps], np.int32),
            "synapse": np.array([0.0, 0.0, 0.0] if synapse is None else astuple(synapse)),
            **arrays_of(self.response),
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """The population that :meth:`to_arrays` wrote."""
        kind = _MODELS[_place(arrays["model"], len(_MODELS))]
        numbers = [float(value) for value in arrays["parameters"]]
        if len(numbers) != len(fields(kind)) or not np.isfinite(numbers).all():
            raise ValueError("its parameters are not those of its model")
        model = kind(*numbers)
        if isinstance(model, LIF):
            model = replace(model, subtract=bool(model.subtract))
        scheme = Scheme(
            _METHODS[_place(arrays["integrator"], len(_METHODS))],
            float(arrays["time"].item()),
            int(arrays["substeps"].item()),
        )
        return cls(model, _checked(scheme), staircase_of(arrays), _synapse(arrays["synapse"]))


def _synapse(values: NDArray[Any]) -> Synapse | None:
    tau, low, high = (float(value) for value in values)
    if tau == 0:
        return None
    if not (1 <= tau < np.inf and -np.inf < low < high < np.inf):
        raise ValueError("its synapse is none")
    return Synapse(tau, low, high)


def _untold(units: int) -> Staircase:
    """A response without any boundary."""
    none = np.zeros((units, 0))
    flat = np.zeros(units)
    return Staircase(none, none.astype(np.int8), flat.astype(np.int32), flat, flat + 1.0)


def _place(value: NDArray[Any], count: int) -> int:
    place = int(value.item())
    if not 0 <= place < count:
        raise ValueError("it names a model or integrator that is not known")
    return place


def _checked(scheme: Scheme) -> Scheme:
    if scheme.substeps > _MOST_SUBSTEPS:
        raise ValueError("it has too many sub-steps")
    return scheme


def _one(values: NDArray[Any]) -> float:
    if not (values.size and (values == values.flat[0]).all()):
        raise ValueError("its units differ from each other")
    return float(values.flat[0])


def _word(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)

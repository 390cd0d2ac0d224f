"""The synapses of a membrane in a rate program: an average that saturates."""

from __future__ import annotations

from dataclasses import dataclass

from pinnir.neurons.membranes.membrane import State, Value


@dataclass(frozen=True)
class Synapse:
    r"""From what arrives to the current into a membrane.

    Spikes arrive as pulses, which a membrane that resonates or bursts does not take for the
    constant current of the same mean, and no membrane bears a current of any strength. The
    current is the exponential average of what arrives, which begins as the plain average of what
    has come so far, and it saturates, as receptors do:

    .. math:: i \leftarrow i + \max(1/t, 1/\tau) (I - i), \quad t = 1, 2, \dots, \qquad
              \text{current} = \min(\max(i, I_{low}), I_{high})

    Attributes:
        tau: Time constant, steps; at least 1.
        low: Least current.
        high: Largest current.
    """

    tau: float
    low: float
    high: float

    def current(self, state: State, arriving: Value) -> tuple[Value, State]:
        """The current of a step, and the new state: average and number of steps.

        Args:
            state: At first two zeros, arrays or tensors as ``arriving``.
            arriving: Sum of what arrives in the step, in the current's unit.
        """
        average, steps = state
        steps = steps + 1.0
        weight = (1.0 / steps).clip(1.0 / self.tau)
        average = average + weight * (arriving - average)
        return self.saturated(average), (average, steps)

    def saturated(self, current: Value) -> Value:
        """A current within the synapse's limits."""
        return current.clip(self.low, self.high)

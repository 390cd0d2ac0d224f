"""Input forms: which dimensions of an ONNX file's input are samples, and which make a column each.

Leading dimensions are samples, all others columns: an input ``(batch, points, 2)`` has two columns
and samples along two dimensions, a state ``(4,)`` has four columns and no dimension for samples.
In the graph an input is ``(samples, columns)`` whatever the file says.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import lcm, prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pinnir.base.errors import GraphError

# Lengths of dimensions as a file declares them; None where one may have any length.
Shape: TypeAlias = tuple[int | None, ...]

# Of several open dimensions all but the last are given this length. It is more than one, so that a
# network that mixes samples along them does not look as if it did not.
SHORT = 2
# Samples of one run, about, where their number must be a multiple of something; and how long the
# last open dimension is at least, for the same reason.
RUN, _SAMPLES_AT_LEAST = 256, 3


@dataclass(frozen=True)
class InputForm:
    """How a file takes an input.

    Attributes:
        shape: As the file declares it.
        leading: How many of its dimensions are samples.
    """

    shape: Shape
    leading: int

    @classmethod
    def of(cls, shape: Shape, columns: int) -> InputForm:
        """The form of an input that is known to have so many columns."""
        for leading in range(min(1, len(shape) - 1), len(shape)):
            rest = [columns if size is None else size for size in shape[leading:]]
            if prod(rest) == columns and (None not in shape[leading:] or len(shape) == 2):
                return cls(shape, max(leading, 0))
        return cls(shape, len(shape))

    @property
    def columns(self) -> int:
        """Columns of a sample, where none is left open."""
        return prod(size for size in self.shape[self.leading :] if size is not None)

    @property
    def is_open(self) -> bool:
        """Whether a run may have different numbers of samples."""
        return None in self.shape[: self.leading]

    @property
    def block(self) -> int:
        """Samples that a run must have, or a divisor of their number where that is open."""
        return self.block_of(SHORT)

    def block_of(self, short: int) -> int:
        """The same where open dimensions but the last are so long."""
        samples = self.shape[: self.leading]
        several = max(0, samples.count(None) - 1)
        return prod(size for size in samples if size is not None) * int(short**several)

    @property
    def takes_one(self) -> bool:
        """Whether a run has one sample, which the samples of other inputs may share."""
        return not self.is_open and self.block == 1

    def __str__(self) -> str:
        samples = self.shape[: self.leading]
        if None not in samples:
            return f"{self.block} sample{'s' * (self.block > 1)} a run"
        fixed = prod(size for size in samples if size is not None)
        return "any number of samples" if fixed == 1 else f"samples in multiples of {fixed}"

    def given(self, table: NDArray[Any], short: int = SHORT) -> NDArray[Any]:
        """Samples ``(samples, columns)`` as the file takes them.

        Args:
            table: Those.
            short: How long open dimensions of samples but the last are.
        """
        samples = self.shape[: self.leading]
        last = max((i for i, size in enumerate(samples) if size is None), default=-1)
        sizes = [short if size is None else size for size in samples]
        if last >= 0:
            sizes[last] = len(table) // self.block_of(short)
        rest = [table.shape[1] if d is None else d for d in self.shape[self.leading :]]
        return table.reshape((*sizes, *rest))

    def one(self, table: NDArray[Any]) -> NDArray[Any]:
        """The first sample of a table, in as many dimensions as the file's, those of samples 1."""
        rest = [size for size in self.shape[self.leading :] if size is not None]
        return np.reshape(table[0], (*(1 for _ in self.shape[: self.leading]), *rest))


def samples_of_run(
    forms: Iterable[InputForm], most: int = RUN, *, sharing: bool = True, short: int = SHORT
) -> int | None:
    """How many samples of inputs that are given row by row one run has; None for any number.

    Args:
        forms: Of the inputs.
        most: About as many where they may be any multiple of some number.
        sharing: Whether inputs that take one sample share it with those that take more.
        short: As :meth:`InputForm.given`.

    Raises:
        GraphError: If they never have equally many.
    """
    several = [form for form in forms if not (sharing and form.takes_one)]
    exact = {form.block for form in several if not form.is_open}
    step = lcm(*(form.block_of(short) for form in several if form.is_open))
    if not several:
        return 1
    if not exact:
        return None if step == 1 else step * max(_SAMPLES_AT_LEAST, most // step)
    if len(exact) > 1 or max(exact) % step:
        raise GraphError(
            "the network has inputs of different numbers of samples",
            hint="give all inputs equally many samples",
        )
    return exact.pop()

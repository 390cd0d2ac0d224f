"""Ranges of the columns as a user gives them, and the domain that they are for a model's inputs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TypeAlias

import numpy as np

from pinnir.base.errors import DomainError
from pinnir.numerics.matrix import Array
from pinnir.points.domain import Domain, quoted

# (name, columns or None where the model leaves them open, sample axis) of each input.
ModelInputs: TypeAlias = Sequence[tuple[str, int | None, int]]
Bounds: TypeAlias = tuple[float, float]

SYNTAX = 'write "x=-1:1,t=0:1", one range a column in order, or "-1:1" for all columns'


def as_range(low: float, high: float, what: str, hint: str) -> Bounds:
    """Two bounds, if they are those of a range.

    Args:
        low: The lower bound.
        high: The upper bound, equal to the lower one for a column of one value.
        what: What error messages call the range.
        hint: What they advise.

    Raises:
        DomainError: If a bound or the width is not finite, or the lower bound is the higher one.
    """
    if not isfinite(high - low) or low > high:
        raise DomainError(f"{what} is not a range of finite bounds, the lower one first", hint=hint)
    return low, high


@dataclass(frozen=True, eq=False)
class Ranges:
    """What a user gives as a domain.

    Attributes:
        bounds: ``(columns, 2)``; or ``(2,)``, one range for every column of whatever model.
        names: Of the columns; none if they have no names.
    """

    bounds: Array
    names: tuple[str, ...] = ()

    @classmethod
    def named(cls, ranges: dict[str, Bounds], hint: str) -> Ranges:
        """One range a column, by its name.

        Raises:
            DomainError: If there is none.
        """
        if not ranges:
            raise DomainError("the domain is empty", hint=hint)
        return cls(np.array(list(ranges.values())), tuple(ranges))

    @property
    def columns(self) -> tuple[str | None, ...]:
        """An entry a column, its name if it has one; none if any number of columns fits."""
        if self.bounds.ndim == 1:
            return ()
        return self.names or (None,) * len(self.bounds)

    def domain(self, inputs: ModelInputs) -> Domain:
        """The domain of a model.

        Args:
            inputs: Of the model, in order; they say how many columns there are. Names label the
                columns in order if there is one input; with several inputs the name of an input
                is for all columns of it, and ``NAME.j`` for one.

        Raises:
            DomainError: If the ranges do not fit the inputs.
        """
        axes = tuple(axis for _, columns, axis in inputs for _ in range(columns or 0))
        if not self.names:
            columns, bounds = self._in_order(inputs)
        elif len(inputs) == 1:
            columns, bounds = self._of_one_input(inputs)
        else:
            columns, bounds = self._by_name(inputs)
        return Domain(columns, bounds[:, 0], bounds[:, 1], axes if any(axes) else ())

    def _in_order(self, inputs: ModelInputs) -> tuple[tuple[str, ...], Array]:
        given = self.bounds.ndim == 2
        if given and len(inputs) == 1:
            ((own, width, axis),) = inputs
            inputs = [(own, width or len(self.bounds), axis)]
        columns = _default_names(inputs)
        if given and len(self.bounds) != len(columns):
            raise DomainError(
                f"the domain gives {len(self.bounds)} columns, the model has {len(columns)}",
                hint=f"give one range a column: {_listed(columns)}",
            )
        return columns, np.broadcast_to(self.bounds, (len(columns), 2)).copy()

    def _of_one_input(self, inputs: ModelInputs) -> tuple[tuple[str, ...], Array]:
        ((own, columns, _),) = inputs
        if columns is not None and len(self.names) != columns:
            raise DomainError(
                f"the domain gives {len(self.names)} columns ({_listed(self.names)}), "
                f"the model's input '{own}' has {columns}",
                hint=SYNTAX,
            )
        return self.names, self.bounds

    def _by_name(self, inputs: ModelInputs) -> tuple[tuple[str, ...], Array]:
        left = dict(zip(self.names, self.bounds, strict=True))
        found = []
        columns = _default_names(inputs)
        names = {own for own, _, _ in inputs}
        for own, count, _ in inputs:
            whole = left.pop(own, None)
            for name in _columns_of(own, count):
                # A column called as another input is given by its own input's range.
                bounds = whole if name in names else left.pop(name, whole)
                if bounds is None:
                    raise DomainError(
                        f"the domain says nothing of the model's input {name!r}",
                        hint=f"the inputs are {_listed(columns)}; write NAME=lo:hi for each",
                    )
                found.append(bounds)
        if left:
            raise DomainError(
                f"the model has no input {', '.join(map(repr, left))}",
                hint=f"its inputs are {_listed(columns)}",
            )
        return columns, np.array(found)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(quoted, names))


def _default_names(inputs: ModelInputs) -> tuple[str, ...]:
    return tuple(name for own, columns, _ in inputs for name in _columns_of(own, columns))


def _columns_of(name: str, columns: int | None) -> list[str]:
    """Names of an input's columns: its own, or ``NAME.j`` where it has several."""
    if columns is None:
        raise DomainError(
            f"the model's input '{name}' leaves its number of columns open",
            hint="name every column: " + SYNTAX,
        )
    return [name] if columns == 1 else [f"{name}.{j}" for j in range(columns)]

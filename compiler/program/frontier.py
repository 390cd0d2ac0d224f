"""The frontier: every program that a compilation measured, its error and its costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeAlias

from pinnir.base.errors import RequirementError
from pinnir.pipeline.manager import Passes

# What a program may be cheapest in, by the name that the user gives, and the figure of
# ``metrics/`` that says so.
CRITERIA: Mapping[str, str] = {
    "synops_per_mac": "synops_per_mac",
    "neurons": "neurons",
    "spikes": "spikes",
    "steps": "steps",
    "energy": "energy_45nm_pj",
}
DEFAULT_CRITERION = "synops_per_mac"
# What may be compared with a tolerance, by the name that the user gives, and the figure of
# ``metrics/`` that says so: the error of the worst output relative to its variation, or the
# relative L2 error of all outputs together.
NORMS: Mapping[str, str] = {"nrmse": "nrmse", "l2": "rel_l2"}
DEFAULT_NORM = "nrmse"
_ERRORS = ("rel_l2", "rel_l2_upper", "nrmse", "nrmse_upper", "nrmse_decided_by")


@dataclass(frozen=True)
class Candidate:
    """One way to compile.

    Attributes:
        family: Of FAMILIES, or ``given`` for what the user fixed.
        coding: Of the program.
        steps: Time steps.
        levels: Levels per neuron; 0 if its neurons have none.
        pipeline: Passes that make the program, as text.
        units: Rate-coding units per neuron, None for other codings.
        passes: The pipeline itself.
    """

    family: str
    coding: str
    steps: int
    levels: int
    pipeline: str
    units: int | None
    passes: Passes

    def weight(self, criterion: str) -> int:
        """What the cost of a family simulated over time is proportional to.

        Every unit's rate is fixed by the activation, so spikes, and with them synaptic operations
        and energy, grow with the slots that a neuron could fire in: units times steps.
        """
        units = self.units or 1
        return {"neurons": units, "steps": self.steps}.get(criterion, units * self.steps)

    def row(self) -> dict[str, Any]:
        """As plain values."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name != "passes"}

    def __str__(self) -> str:
        """Its size in words."""
        if self.units is not None:
            return f"{self.family}, {self.steps} steps, {self.units} units"
        return f"{self.levels} levels" if self.levels else f"{self.family}, {self.steps} steps"


class ToleranceError(RequirementError):
    """The asked-for tolerance was not reached.

    Args:
        message: As for every error.
        reached: The metrics of the best try.
        frontier: All programs that were measured.
        hint: As for every error.
    """

    def __init__(
        self, message: str, *, reached: dict[str, object], frontier: Frontier, hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.reached = reached
        self.frontier = frontier


SELECTION, EVALUATION = "selection", "evaluation"
# What a program costs, and between equals its synaptic operations.
Rank: TypeAlias = tuple[float, float]


@dataclass(frozen=True)
class Errors:
    """Errors of a program, or of the staircase network that it equals.

    Attributes:
        points: How many points they were measured on.
        norm: Which one is compared with a tolerance, of NORMS.
        told: The figures of ``metrics/``, by name; bounds only where there are several sets.
    """

    points: int
    norm: str
    told: Mapping[str, Any]

    @property
    def measured(self) -> float:
        """The error in the norm, on all of the points."""
        return float(self.told[NORMS[self.norm]])

    @property
    def upper(self) -> float | None:
        """The bound above the error on several sets of points; None where there was but one."""
        return self.told.get(NORMS[self.norm] + "_upper")

    @property
    def bound(self) -> float:
        """What is compared with a tolerance: the bound, or the error where there is none."""
        return self.measured if self.upper is None else self.upper


def errors_of(metrics: Mapping[str, Any], norm: str) -> Errors:
    """The errors among a program's metrics."""
    return Errors(metrics["points"], norm, {n: metrics[n] for n in _ERRORS if n in metrics})


@dataclass(frozen=True)
class Point:
    """One measured program.

    Attributes:
        candidate: What was compiled.
        measured_on: ``selection`` for the points of the search, ``evaluation`` for those that
            prove a program.
        errors: Against the source network.
        costs: The figures of ``metrics/`` that CRITERIA names, by the criterion.
    """

    candidate: Candidate
    measured_on: str
    errors: Errors
    costs: Mapping[str, float]

    @property
    def error(self) -> float:
        """What is compared with a tolerance."""
        return self.errors.bound

    def rank(self, criterion: str) -> Rank:
        """What programs are ordered by."""
        return self.costs[criterion], self.costs[DEFAULT_CRITERION]


def point(candidate: Candidate, metrics: Mapping[str, Any], measured_on: str, norm: str) -> Point:
    """The point of a program whose metrics were measured."""
    return Point(
        candidate=candidate,
        measured_on=measured_on,
        errors=errors_of(metrics, norm),
        costs={name: metrics[figure] for name, figure in CRITERIA.items()},
    )


@dataclass(frozen=True)
class Frontier:
    """Every program that one compilation measured.

    Attributes:
        criterion: The cost that was to be small, of CRITERIA.
        rtol: The tolerance, or None if the program was fixed.
        norm: What is compared with it, of NORMS.
        points: In the order they were first measured, each pipeline once.
        chosen: Pipeline of the program that was chosen; None if none met the tolerance.
        left_out: Families that the network or the target refuses, and why.
        faults: Those of them in which something in pinnir is wrong.
    """

    criterion: str = DEFAULT_CRITERION
    rtol: float | None = None
    norm: str = DEFAULT_NORM
    points: tuple[Point, ...] = ()
    chosen: str | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[str, ...] = ()

    def meets(self, one: Point) -> bool:
        """Whether a point's error, and the bound above it, is within the tolerance."""
        return self.rtol is None or one.error <= self.rtol

    def is_chosen(self, one: Point) -> bool:
        """Whether a point is the program that was chosen."""
        return one.candidate.pipeline == self.chosen

    def non_dominated(self) -> list[Point]:
        """Points that no other beats in both error and cost, cheapest first."""
        kept: list[Point] = []
        for one in sorted(self.points, key=lambda p: (p.costs[self.criterion], p.error)):
            if not kept or one.error < kept[-1].error:
                kept.append(one)
        return kept

    def rows(self) -> list[dict[str, Any]]:
        """All points as plain values, cheapest first."""
        best = self.non_dominated()
        return [
            one.candidate.row()
            | {name: one.errors.told.get(name) for name in _ERRORS}
            | {"measured_on": one.measured_on, "points": one.errors.points}
            | {CRITERIA[name]: cost for name, cost in one.costs.items()}
            | {"meets": self.meets(one), "chosen": self.is_chosen(one)}
            | {"non_dominated": one in best}
            for one in sorted(self.points, key=lambda p: p.rank(self.criterion))
        ]


@dataclass
class Record:
    """Collects the points of a frontier.

    Attributes:
        norm: What is compared with a tolerance, of NORMS.
        points: By pipeline; what was measured last counts.
        left_out: Families that the network or the target refuses, and why.
        faults: Those of them in which something in pinnir is wrong.
    """

    norm: str = DEFAULT_NORM
    points: dict[str, Point] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def add(self, one: Point) -> Point:
        """Keep a point, and return it."""
        self.points[one.candidate.pipeline] = one
        return one

    def frontier(self, criterion: str, rtol: float | None, chosen: str | None) -> Frontier:
        """What was collected."""
        points = tuple(self.points.values())
        left_out, faults = dict(self.left_out), tuple(self.faults)
        return Frontier(criterion, rtol, self.norm, points, chosen, left_out, faults)

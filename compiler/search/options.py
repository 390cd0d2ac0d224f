"""What was asked of a compilation, checked once, before anything is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from pinnir.base.errors import PinnirError
from pinnir.base.registry import look_up
from pinnir.base.targets import Target
from pinnir.codings import CODINGS, check_programmable, find_coding
from pinnir.neurons import LIF
from pinnir.neurons.membranes.conversion import CONVERSIONS
from pinnir.passes.lowering.lower import Lower
from pinnir.passes.parsing import parse_pipeline
from pinnir.pipeline.manager import Pass, Passes
from pinnir.program.frontier import CRITERIA, DEFAULT_CRITERION, DEFAULT_NORM, NORMS, Candidate
from pinnir.search.candidates import MAX_LEVELS, given

DEFAULT_RTOL = 1e-2
# How much a search may take, from a first guess to a long training.
DEFAULT_EFFORT, MOST_EFFORT = 2, 3
# Iterations of a training before the rounding, by effort; fewer do not pay.
_ITERATIONS, _FEWEST_ITERATIONS = (0, 0, 2_000, 20_000), 250
# Weights of the largest network that is trained for all of them; and the weights that take as long
# as what an iteration takes besides.
_WORK, _WEIGHTS_OF_A_CALL = 100_000, 25_000
# The neuron of rate coding where none is asked for.
IF = "if"


@dataclass(frozen=True)
class CompileOptions:
    """What a program is to be; the meaning of each is said at ``compile``.

    Raises:
        PinnirError: If an option makes no sense, or two do not go together.
    """

    coding: str = "auto"
    rtol: float | str | None = None
    norm: str = DEFAULT_NORM
    minimise: str = DEFAULT_CRITERION
    steps: int | None = None
    levels: int | None = None
    pipeline: str | Sequence[Pass] | None = None
    effort: int = DEFAULT_EFFORT
    train: int | None = None
    neuron: str = IF

    def __post_init__(self) -> None:
        if self.minimise not in CRITERIA:
            problem = f"programs cannot be minimised in {self.minimise!r}"
            raise PinnirError(problem, hint=f"known are {', '.join(CRITERIA)}")
        look_up(NORMS, self.norm, "norm")
        self._check_neuron()
        _check_least("steps", self.steps, 1)
        if self.levels is not None and not 2 <= self.levels <= MAX_LEVELS:
            hint = f"give --levels from 2 to {MAX_LEVELS}"
            raise PinnirError(f"{self.levels} levels are out of range", hint=hint)
        if not 0 <= self.effort <= MOST_EFFORT:
            hint = f"give --effort from 0 to {MOST_EFFORT}"
            raise PinnirError(f"there is no effort {self.effort}", hint=hint)
        _check_least("iterations of training", self.train, 0, "train")
        if self.train and self.fixed:
            raise PinnirError(
                "--train is for the search: levels, steps of signgd or a pipeline fix the program",
                hint="put 'anticipate-rounding' in the --pipeline, or leave --levels and --steps "
                "out",
            )

    def iterations(self, weights: int) -> int:
        """Of a training before the rounding, of a network of so many weights; 0 for none.

        What an effort means is a number of iterations, not of seconds, so that the same options
        give the same program on every machine. Large networks get fewer, and none where too few
        would be left to gain anything.
        """
        if self.train is not None:
            return self.train
        most = _ITERATIONS[self.effort]
        found = min(most, most * _WORK // (weights + _WEIGHTS_OF_A_CALL))
        return found if found >= _FEWEST_ITERATIONS else 0

    def _check_neuron(self) -> None:
        if self.neuron == IF:
            return
        look_up({IF: None, **CONVERSIONS}, self.neuron, "neuron")
        if self.coding not in ("auto", "rate"):
            raise PinnirError(
                f"{self.coding} coding has neurons of its own, not {self.neuron}",
                hint="leave --neuron out, or use --coding rate",
            )
        if self.pipeline is not None:
            raise PinnirError(
                "a pipeline fixes the neurons",
                hint="leave --neuron out, and put "
                f"'fit-neurons{{neuron={self.neuron}}}' in the --pipeline",
            )

    @cached_property
    def passes(self) -> Passes | None:
        """The passes that were asked for, if any were."""
        if isinstance(self.pipeline, str):
            return parse_pipeline(self.pipeline)
        return None if self.pipeline is None else tuple(self.pipeline)

    @cached_property
    def lowered_coding(self) -> str:
        """The coding that was asked for, or that the pipeline lowers to."""
        lowers = [one for one in self.passes or () if isinstance(one, Lower)]
        return lowers[0].coding.name if lowers else self.coding

    @property
    def fixed(self) -> bool:
        """Whether they fix the program, so that there is nothing to search."""
        return self.levels is not None or self.pipeline is not None or self.only_measured

    @property
    def only_measured(self) -> bool:
        """Whether the program is fixed and need not meet a tolerance."""
        by_steps = self.coding == "signgd" and self.steps is not None
        fixed = self.levels is not None or self.pipeline is not None or by_steps
        return self.rtol is None and fixed

    @property
    def default_target(self) -> str:
        """The target where none is asked for: ``programmable`` for what NIR cannot say."""
        coding = self.lowered_coding
        needed = find_coding(coding).neurons_must if coding in CODINGS else ""
        return "nir" if not needed and self.neuron in (IF, LIF.name) else "programmable"

    def codings(self, target: Target) -> tuple[str, ...]:
        """The codings to search on a target, those that fixed numbers mean first.

        Raises:
            PinnirError: If the target does not run what was asked for, or the steps do not fit.
        """
        found = ("rate",) if self.neuron != IF else _run_by(target, self.coding)
        length = find_coding(found[0]).length
        if length and self.steps not in (None, 1):
            raise PinnirError(
                f"{found[0]} coding takes {length}, not {self.steps}",
                hint="leave --steps out, or use --coding rate",
            )
        return found[:1] if self.steps == 1 and self.coding == "auto" else found

    @property
    def given(self) -> Candidate | None:
        """The program of the pipeline that was asked for, if one was."""
        text = self.pipeline if isinstance(self.pipeline, str) else None
        return None if self.passes is None else given(self.passes, text)


def _check_least(what: str, value: int | None, least: int, option: str = "steps") -> None:
    if value is not None and value < least:
        raise PinnirError(f"{value} {what} are too few", hint=f"give --{option} 1 or more")


def _run_by(target: Target, coding: str) -> tuple[str, ...]:
    if coding == "auto":
        return target.codings
    check_programmable(coding, target)
    if coding not in target.codings:
        raise PinnirError(
            f"target {target.name} does not run the coding {coding!r}",
            hint=f"it runs auto, {', '.join(target.codings)}",
        )
    return (coding,)

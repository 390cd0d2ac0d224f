"""What a program file's manifest must say, checked before anything uses it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta

from pinnir.base.bounds import Axis, Names
from pinnir.base.errors import ProgramFileError
from pinnir.diagnosis.error_budget import Budget
from pinnir.diagnosis.pass_log import PassFigures
from pinnir.ir.placement import StoredPlacement
from pinnir.ir.sample_axes import columns_in
from pinnir.metrics.output_scales import OutputScale
from pinnir.metrics.source_cost import SourceCost
from pinnir.points.domain import StoredDomain

MOST_STEPS = 2**16
_MOST_AXES = 16

_Label: TypeAlias = Annotated[str, Meta(pattern=r"^(host|core)\.\d{1,4}\Z")]
_Segment: TypeAlias = tuple[_Label, Names, Names]
_Input: TypeAlias = tuple[str, Annotated[int, Meta(ge=1, le=2**16)]]
_Dim: TypeAlias = (
    Annotated[int, Meta(ge=1, le=2**31)] | Annotated[tuple[Axis, ...], Meta(min_length=1)]
)
_Layout: TypeAlias = Annotated[tuple[_Dim, ...], Meta(max_length=_MOST_AXES)]


class MeasuredErrors(msgspec.Struct, frozen=True):
    """Of the metrics, those that searches and tables compute with."""

    rel_l2: float = 0.0
    rel_l2_upper: float = 0.0
    rel_l2_seeds: tuple[float, ...] = ()
    nrmse: float = 0.0
    nrmse_upper: float = 0.0


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What is read of a manifest; more may stand in it.

    Attributes:
        coding: Of the program.
        target: Its name.
        pipeline: Passes that made the program.
        dtype: Of the host parts.
        steps: Time steps.
        read_out: What is read of the outputs of all steps.
        metrics: What was measured.
        budget: What every layer contributes to the error; older programs have none.
        placement: The core of every unit; most programs have none.
        segments: ``(label, inputs, outputs)`` each, in running order.
        outputs: Names of the output values.
        inputs: The model's inputs as ``(name, columns)``.
        domain: What the program was compiled for.
        layouts: Of the values that segments take and give, by name: sizes, and lists of axes.
        cost: Cost of the source network.
        scales: What the error of every output column is measured against; older programs have
            none.
        passes: What each pass did.
        trial: A point that the program gives finite values on; only where the middle of the
            domain is none.
    """

    coding: str
    target: str
    pipeline: str
    dtype: str
    steps: Annotated[int, Meta(ge=1, le=MOST_STEPS)]
    read_out: Literal["last", "mean"]
    metrics: MeasuredErrors = MeasuredErrors()
    budget: Budget | None = None
    placement: StoredPlacement | None = None
    segments: Annotated[tuple[_Segment, ...], Meta(min_length=1)]
    outputs: Names
    inputs: Annotated[tuple[_Input, ...], Meta(min_length=1)]
    domain: StoredDomain
    layouts: dict[str, _Layout]
    cost: SourceCost
    scales: tuple[OutputScale, ...] = ()
    passes: tuple[PassFigures, ...]
    trial: tuple[float, ...] | None = None


# Entries that become fields of a program; a program keeps the other ones as they are.
FIELDS = ("segments", "inputs", "outputs", "layouts", "domain", "cost", "scales", "passes")


def read_manifest(told: Any) -> Manifest:
    """The manifest, if it is one that pinnir wrote.

    Args:
        told: As JSON values.

    Raises:
        ProgramFileError: Naming an entry that is missing or cannot be right.
    """
    try:
        # Escapes in JSON can spell half characters, which no terminal or file takes.
        json.dumps(told, ensure_ascii=False).encode()
        found = msgspec.convert(told, Manifest)
    except (UnicodeEncodeError, msgspec.ValidationError) as error:
        # msgspec says where: "... field `steps`", "... at `$.cost.macs`"
        entries = re.findall(r"(?:field `|\$\.)(\w+)", str(error))
        raise _wrong(entries[-1] if entries else "") from error
    for entry, holds in _rules(found):
        if not holds:
            raise _wrong(entry)
    return found


def _wrong(entry: str) -> ProgramFileError:
    what = f"the entry {entry!r} of its manifest" if entry else "its manifest"
    return ProgramFileError(f"{what} is missing or wrong")


def _inside(point: Sequence[float], box: StoredDomain) -> bool:
    if len(point) != len(box.columns):
        return False
    bounded = zip(box.low, point, box.high, strict=True)
    return all(low <= value <= high for low, value, high in bounded)


def _rules(told: Manifest) -> Iterator[tuple[str, bool]]:
    """Entries, and whether they fit the entries before them; each holds only if the last did."""
    labels = [label for label, _, _ in told.segments]
    yield "segments", len(set(labels)) == len(labels)
    yield "domain", len(told.domain.columns) == sum(columns for _, columns in told.inputs)
    yield "trial", told.trial is None or _inside(told.trial, told.domain)
    ports = {name for _, *both in told.segments for name in chain(*both)}
    named = ports | set(told.outputs) | {name for name, _ in told.inputs}
    yield "layouts", named <= told.layouts.keys()
    along = told.domain.axes or (0,) * len(told.domain.columns)
    for layout in told.layouts.values():
        axes = [axis for dim in layout if isinstance(dim, tuple) for axis in dim]
        yield "layouts", len(set(axes)) == len(axes) and set(axes) <= set(along)
    first = 0
    for name, columns in told.inputs:
        own = set(along[first : first + columns])
        yield "layouts", len(own) == 1 and told.layouts[name] == ((*own,), columns)
        first += columns
    outputs = sum(columns_in(told.layouts[name]) for name in told.outputs)
    yield "scales", not told.scales or len(told.scales) == outputs

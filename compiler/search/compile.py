"""compile(): from a model and a tolerance to a proven program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from pinnir.base.errors import CoreShareError, DomainError, LegalizeError, PinnirError
from pinnir.base.files import check_writable
from pinnir.base.targets import Target, find_target
from pinnir.frontend import Model, Source, read_model
from pinnir.ir.graph import Graph, Input
from pinnir.ir.sample_axes import has_features
from pinnir.metrics.field_errors import normalised_errors, reference_errors
from pinnir.numerics.matrix import Array
from pinnir.passes import pipelines
from pinnir.pipeline.checkpoints import Checkpoints
from pinnir.pipeline.context import Context
from pinnir.pipeline.manager import Pass, PassManager, PassObserver
from pinnir.points.domain import Domain
from pinnir.points.domain_forms import DomainSource, read_ranges
from pinnir.points.held_out import SETS, HeldOut
from pinnir.program.frontier import (
    DEFAULT_CRITERION,
    DEFAULT_NORM,
    EVALUATION,
    Candidate,
    Frontier,
    Point,
    ToleranceError,
    point,
)
from pinnir.program.program import Program
from pinnir.program.reading import read_back
from pinnir.search.build import build, with_manifest
from pinnir.search.cheapest_search import CheapestSearch, Fixed, make_search
from pinnir.search.faults import CallersError, FamilyError, callers
from pinnir.search.job import (
    CALIBRATION_POINTS,
    EVALUATION_POINTS,
    FACE_POINTS,
    SELECTION_POINTS,
    Job,
    Progress,
    covering,
)
from pinnir.search.options import DEFAULT_EFFORT, DEFAULT_RTOL, IF, CompileOptions

# How many programs the search may propose until one is proven on the evaluation points.
_TRIES = 6


def compile(
    model: Source | Model,
    domain: DomainSource,
    *,
    target: str | None = None,
    coding: str = "auto",
    rtol: float | str | None = None,
    norm: str = DEFAULT_NORM,
    minimise: str = DEFAULT_CRITERION,
    steps: int | None = None,
    levels: int | None = None,
    calibration: Array | None = None,
    evaluation: HeldOut | None = None,
    reference: tuple[Array, Array] | None = None,
    pipeline: str | Sequence[Pass] | None = None,
    seed: int = 0,
    strip_source: bool = False,
    min_core_share: float = 0.0,
    observers: Sequence[PassObserver] = (),
    progress: Progress = lambda text: None,
    resume: Path | None = None,
    effort: int = DEFAULT_EFFORT,
    train: int | None = None,
    neuron: str = IF,
) -> Program:
    """Compile a trained network to a spiking program, and measure what came out.

    Args:
        model: Path of an ONNX file; an ONNX model as bytes or ``onnx.ModelProto``; a
            ``torch.nn.Module``, whose ``forward`` takes all columns of the domain as one tensor
            ``(samples, columns)``, or each as a parameter ``(samples, 1)`` that is called as the
            column; or a model read before.
        domain: Where the program is to be accurate: text such as ``"x=-1:1,t=0:1"``, a dict such as
            ``{"x": (-1, 1), "t": (0, 1)}`` (``{"t": 0.5}`` fixes a column to one value), or an
            array of bounds ``(columns, 2)`` in the order of the model's columns.
        target: Name in the TARGETS table; if not given ``nir``, or ``programmable`` for codings
            that need it.
        coding: ``population``, ``rate``, ``phase``, ``delta``, ``signgd``, or ``auto``: all that
            the target runs are searched, and fixed ``levels`` are those of its first.
        rtol: Error against the network to stay below, with a margin: what must is the metric
            ``nrmse_upper``, a bound above the errors on several sets of evaluation points. The
            cheapest program that does is searched. ``"auto"`` is a third of the network's own
            error against ``reference``. Default 1e-2, unless ``levels`` or ``pipeline`` fix the
            program; then it is only measured.
        norm: Of that error. ``nrmse``: for every output, relative to its standard deviation over
            the evaluation points. ``l2``: relative L2 of all outputs together.
        minimise: What the program is to be cheapest in: ``synops_per_mac``, ``neurons``,
            ``spikes``, ``steps`` or ``energy``.
        steps: Time steps of a rate or signgd program; searched if not given. They alone fix a
            signgd program, which is then only measured.
        levels: Levels per neuron; searched if not given. A rate program of T steps has
            ``(levels - 1) / T`` units per neuron.
        calibration: Points to fit on, ``(samples, columns)``; drawn from the domain if not given.
        evaluation: Points to measure on, none of them a calibration point; drawn from the domain if
            not given. With it a search looks at the given calibration points.
        reference: Points and reference solution there, to measure against as well.
        pipeline: Passes to run instead of a named pipeline, or their text.
        seed: Of all random points.
        strip_source: Leave the source network out of the program.
        min_core_share: Share of the network's multiply-accumulates that must spike.
        observers: Called after every pass of the final pipeline.
        progress: Told in words what is being done, by passes that train as well.
        effort: How much the search may take. 0: a first guess that is proven. 1: the cheapest
            program of all families. 2: also of a network that is trained for a few seconds to bear
            rounding, which ends when it stops paying. 3: the same for minutes, and families of
            which every program takes as long.
        train: Iterations of that training, if not those of the effort; 0 trains nothing.
        resume: Folder where passes that train keep their state, and go on from it.
        neuron: Of rate programs: ``if``, or a membrane model in the CONVERSIONS table, whose
            programs alone are then searched.

    Returns:
        The program; its ``frontier`` holds all programs that were measured.

    Raises:
        PinnirError: For bad input, naming what, where and what to do.
        CoreShareError: If less than ``min_core_share`` of the network can spike.
        ToleranceError: If ``rtol`` cannot be reached; it carries what was, and the frontier.
        FamilyError: If a fault in pinnir leaves no family of programs to search.
    """
    asked = CompileOptions(
        coding, rtol, norm, minimise, steps, levels, pipeline, effort, train, neuron
    )
    if resume is not None:
        check_writable(resume / "state", make_folder=True)
    job = prepare(
        model,
        domain,
        target or asked.default_target,
        seed,
        calibration,
        progress,
        evaluation=evaluation,
        coding=asked.lowered_coding,
    )
    job = replace(job, checkpoints=Checkpoints(resume), progress=callers(progress), norm=norm)
    _check_core_share(job, min_core_share)
    wanted = _tolerance(job, asked, reference)
    making = partial(
        build,
        observers=[callers(one) for one in observers],
        reference=reference,
        strip_source=strip_source,
    )
    try:
        search = make_search(job, asked, wanted)
        program = _proven(job, search, wanted, minimise, making)
    except CallersError as error:
        raise error.error from None
    return read_back(with_manifest(program, rtol=wanted, norm=norm), job.evaluation)


def _proven(
    job: Job,
    search: Fixed | CheapestSearch,
    wanted: float | None,
    criterion: str,
    making: Callable[[Job, Candidate], Program],
) -> Program:
    """The first program that is proven on the evaluation points, with the frontier.

    Args:
        job: The model and its points.
        search: What to try next.
        wanted: The tolerance, None if the program is only measured.
        criterion: The cost that is to be small.
        making: Builds and measures a candidate.

    Raises:
        ToleranceError: If there is none.
    """
    best: tuple[Program, Point] | None = None
    tries = 0
    while tries < _TRIES and (candidate := search.next()) is not None:
        try:
            with search.making(candidate):
                program = making(job, candidate)
        except (LegalizeError, FamilyError) as error:
            search.leave_out(candidate, error)
            continue
        tries += 1
        proven = search.record.add(point(candidate, program.metrics, EVALUATION, job.norm))
        if wanted is None or proven.error <= wanted:
            search.survey(candidate)
            frontier = search.record.frontier(criterion, wanted, candidate.pipeline)
            return replace(program, frontier=frontier)
        job.progress(
            f"{candidate}: up to {proven.error:.3e} on the evaluation points, one more try"
        )
        search.failed(proven)
        if best is None or proven.error < best[1].error:
            best = program, proven
    assert best is not None and wanted is not None
    raise _not_reached(wanted, *best, search.record.frontier(criterion, wanted, None))


def _not_reached(wanted: float, best: Program, proven: Point, frontier: Frontier) -> ToleranceError:
    told, errors = best.manifest, proven.errors
    levels = f", {told['levels']} levels" if told["levels"] else ""
    error = f"relative L2 error {errors.measured:.3g}"
    if errors.norm == "nrmse":
        decided = f"in output {errors.told['nrmse_decided_by']!r}"
        error = f"an error of {errors.measured:.3g} of the variation {decided}"
    return ToleranceError(
        f"the tolerance {wanted:.3g} was not reached; the best program has {error}, "
        f"up to {errors.bound:.3g} on other points "
        f"({told['coding']}, {told['steps']} steps{levels})",
        reached=best.metrics,
        frontier=frontier,
        hint="allow a larger --rtol, --effort 3, more --levels or --steps, or another --coding",
    )


def _own_error(job: Job, source: Array, truth: Array) -> float:
    """The network's error against a reference solution in the norm of the tolerance."""
    joint = reference_errors(source, None, truth)["rel_l2_reference"]
    if job.norm == "l2":
        return joint
    # Over all outputs: a single one that happens to be exact would leave nothing to allow.
    normalised = normalised_errors(source, truth, job.scales)
    return float(np.sqrt(np.mean(normalised**2)))


def prepare(
    model: Source | Model,
    domain: DomainSource,
    target: str = "nir",
    seed: int = 0,
    calibration: Array | None = None,
    progress: Progress = lambda text: None,
    *,
    evaluation: HeldOut | None = None,
    coding: str = "auto",
) -> Job:
    """Read the model and draw the points of one compilation; arguments as for :func:`compile`."""
    found = find_target(target)
    ranges = read_ranges(domain)
    loaded = read_model(model, ranges.columns)
    loaded = _prepared(loaded, len(ranges.domain(loaded.graph.model_inputs).columns))
    # The graph now says which axis a column runs along.
    box = ranges.domain(loaded.graph.model_inputs)
    words = np.random.SeedSequence(seed).generate_state(1 + 2 * SETS)
    seeds = [int(word) for word in words]
    given = calibration is not None
    if calibration is None:
        inside = box.sample(CALIBRATION_POINTS, seeds[0])
        calibration = np.concatenate([inside, box.boundary(FACE_POINTS, seeds[0])])
    job = Job(
        model=loaded,
        domain=box,
        target=found,
        seed=seed,
        calibration=box.check(calibration, "the calibration points"),
        selection=_sets(box, SELECTION_POINTS, seeds[1 : 1 + SETS]),
        evaluation=_sets(box, EVALUATION_POINTS, seeds[1 + SETS :]),
        progress=progress,
        features=coding == "signgd" and _holds_features(loaded.graph, found),
    )
    if evaluation is not None:
        held_out = evaluation.check(box, job.calibration)
        selection = job.calibration if given else job.selection
        job = replace(job, selection=selection, evaluation=held_out.points, labels=held_out.labels)
    return job.where_finite()


def _holds_features(graph: Graph, target: Target) -> bool:
    """Whether images or patches are left where all that can be a table is one."""
    columns = sum(columns or 0 for _, columns, _ in graph.model_inputs)
    context = Context(graph, np.zeros((1, columns)), target)
    return has_features(PassManager(pipelines.RECOGNISE).run(graph, context))


def _sets(box: Domain, inside: int, seeds: Sequence[int]) -> Array:
    """One set of points a seed, one after the other."""
    return np.concatenate([covering(box, inside, seed) for seed in seeds])


def _prepared(model: Model, columns: int) -> Model:
    """Fix an input width that the model leaves open, as the domain says, and find sample axes."""
    graph = model.graph
    if len(graph.inputs) == 1:
        graph = graph.rewrite(
            lambda node: node.with_op(Input(columns)) if isinstance(node.op, Input) else node
        )
    return replace(model, graph=graph).with_axes()


def _check_core_share(job: Job, wanted: float) -> None:
    if not 0 <= wanted <= 1:
        raise PinnirError(f"the core share {wanted:g} is not a share", hint="give 0 to 1")
    if wanted and job.cost.core_mac_share < wanted:
        raise CoreShareError(
            f"{job.cost.core_mac_share:.1%} of the network's multiply-accumulates can spike, "
            f"{wanted:.1%} was asked for",
            hint="'pinnir check' shows what runs on the host; or allow a smaller --min-core-share",
        )


def _tolerance(
    job: Job, asked: CompileOptions, reference: tuple[Array, Array] | None
) -> float | None:
    if reference is not None:
        points, truth = reference
        points = job.domain.check(points, "the reference points")
        own = _own_error(job, job.source(points), truth)
    rtol = asked.rtol
    if rtol == "auto":
        if reference is None:
            raise DomainError(
                "a tolerance of auto is a third of the network's own error, which needs a "
                "reference solution",
                hint="give --reference REF.npz, or a number",
            )
        return own / 3
    if rtol is None:
        return None if asked.only_measured else DEFAULT_RTOL
    try:
        value = float(rtol)
    except ValueError:
        value = np.nan
    if not 0 < value < np.inf:
        raise PinnirError(f"the tolerance {rtol} is not a positive number", hint="try 1e-2")
    return value

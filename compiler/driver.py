"""compile(): from a model and a tolerance to a proven program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pinnir.domain import as_numbers, load_points, parse_domain
from pinnir.errors import CoreShareError, DomainError, PinnirError, ToleranceError
from pinnir.frontend import Model, read_model
from pinnir.ir import Array, Graph, Input, Level
from pinnir.job import (
    CALIBRATION_POINTS,
    EVALUATION_POINTS,
    FACE_POINTS,
    FEW_POINTS,
    MEASURED_POINTS,
    SELECTION_POINTS,
    Job,
    Progress,
)
from pinnir.layout import layouts, separate_axes
from pinnir.manager import Pass, PassObserver
from pinnir.metrics import reference_errors
from pinnir.observe import PassLog
from pinnir.program import Program, from_bytes
from pinnir.search import Candidate, make_search
from pinnir.segments import build_segments
from pinnir.target import find_target

DEFAULT_RTOL = 1e-2

# How often the search may propose a larger program after one failed on the evaluation points.
_TRIES = 6


def compile(
    model: str | Path | Model,
    domain: str,
    *,
    target: str = "nir",
    coding: str = "auto",
    rtol: float | str | None = None,
    steps: int | None = None,
    levels: int | None = None,
    calibration: Array | None = None,
    reference: tuple[Array, Array] | None = None,
    pipeline: str | None = None,
    seed: int = 0,
    strip_source: bool = False,
    min_core_share: float = 0.0,
    observers: Sequence[PassObserver] = (),
    progress: Progress = lambda text: None,
) -> Program:
    """Compile a trained network to a spiking program, and measure what came out.

    Args:
        model: Path of the ONNX file, or a model read before.
        domain: Where the program is to be accurate, such as ``"x=-1:1,t=0:1"``.
        target: Name in the TARGETS table.
        coding: ``auto``, ``rate`` or ``population``; auto is the target's cheapest.
        rtol: Relative L2 error against the network to stay below, on evaluation points. The
            smallest sufficient number of levels or steps is searched. ``"auto"`` is a third of
            the network's own error against ``reference``. Default 1e-2, unless ``levels`` or
            ``pipeline`` fix the program; then it is only measured.
        steps: Time steps of a rate program; searched if not given.
        levels: Levels per neuron; searched if not given. A rate program of T steps has
            ``(levels - 1) / T`` units per neuron.
        calibration: Points to fit on, ``(samples, columns)``; drawn from the domain if not given.
        reference: Points and reference solution there, to measure against as well.
        pipeline: Passes to run instead of a named pipeline.
        seed: Of all random points.
        strip_source: Leave the source network out of the program.
        min_core_share: Share of the network's multiply-accumulates that must spike.
        observers: Called after every pass of the final pipeline.
        progress: Told in words what is being done.

    Raises:
        PinnirError: For bad input, naming what, where and what to do.
        CoreShareError: If less than ``min_core_share`` of the network can spike.
        ToleranceError: If ``rtol`` cannot be reached; it carries what was.
    """
    job = prepare(model, domain, target, seed, calibration, progress)
    _check_core_share(job, min_core_share)
    wanted = _tolerance(job, rtol, reference, fixed=bool(levels or pipeline))
    search = make_search(job, coding, steps, levels, pipeline, wanted)
    candidate: Candidate | None = search.first()
    built: list[Program] = []
    while candidate is not None and len(built) < _TRIES:
        program = _build(job, candidate, strip_source, observers, reference)
        error = program.metrics["rel_l2"]
        if wanted is None or error <= wanted:
            return _with_manifest(program, rtol=wanted)
        progress(f"{candidate.levels} levels: {error:.3e} on the evaluation points, one more try")
        built.append(program)
        candidate = search.after(candidate, error / wanted)
    best = min(built, key=lambda program: program.metrics["rel_l2"])
    raise ToleranceError(
        f"the tolerance {wanted:.3g} was not reached; the best program has relative L2 error "
        f"{best.metrics['rel_l2']:.3g} ({best.manifest['coding']}, "
        f"{best.manifest['steps']} steps, {best.manifest['levels']} levels)",
        reached=best.metrics,
        hint="allow a larger --rtol, more --levels or --steps, or another --coding",
    )


def prepare(
    model: str | Path | Model,
    domain: str,
    target: str = "nir",
    seed: int = 0,
    calibration: Array | None = None,
    progress: Progress = lambda text: None,
) -> Job:
    """Read the model and draw the points of one compilation; arguments as for :func:`compile`."""
    found = find_target(target)
    loaded = model if isinstance(model, Model) else read_model(model)
    loaded = _prepared(loaded, len(parse_domain(domain, loaded.graph).columns))
    box = parse_domain(domain, loaded.graph)  # which now says which axis a column runs along
    seeds = [int(s) for s in np.random.SeedSequence(seed).generate_state(3)]
    if calibration is None:
        inside = box.sample(CALIBRATION_POINTS, seeds[0])
        calibration = np.concatenate([inside, box.boundary(FACE_POINTS, seeds[0])])
    return Job(
        model=loaded,
        domain=box,
        target=found,
        seed=seed,
        calibration=box.check(calibration, "the calibration points"),
        selection=box.sample(SELECTION_POINTS, seeds[1]),
        evaluation=box.sample(EVALUATION_POINTS, seeds[2]),
        progress=progress,
    )


def _prepared(model: Model, columns: int) -> Model:
    """Fix an input width that the model leaves open, as the domain says, and find sample axes."""
    graph = model.graph
    if len(graph.inputs) == 1:
        graph = graph.rewrite(
            lambda node: node.with_op(Input(columns)) if isinstance(node.op, Input) else node
        )
    return replace(model, graph=separate_axes(graph, model.samples))


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
    job: Job, rtol: float | str | None, reference: tuple[Array, Array] | None, *, fixed: bool
) -> float | None:
    if reference is not None:
        points, truth = reference
        points = job.domain.check(points, "the reference points")
        own = reference_errors(job.source(points), None, truth)["rel_l2_reference"]
    if rtol == "auto":
        if reference is None:
            raise DomainError(
                "a tolerance of auto is a third of the network's own error, which needs a "
                "reference solution",
                hint="give --reference REF.npz, or a number",
            )
        return own / 3
    if rtol is None:
        return None if fixed else DEFAULT_RTOL
    try:
        value = float(rtol)
    except ValueError:
        value = np.nan
    if not 0 < value < np.inf:
        raise PinnirError(f"the tolerance {rtol} is not a positive number", hint="try 1e-2")
    return value


def _build(
    job: Job,
    candidate: Candidate,
    strip_source: bool,
    observers: Sequence[PassObserver],
    reference: tuple[Array, Array] | None,
) -> Program:
    """Run the pipeline, serialise, read back, and measure what was read."""
    points = job.selection[:FEW_POINTS]
    log = PassLog(lambda graph: job.outputs_of(graph, points), job.truth(FEW_POINTS))
    tensors = [job.model.graph]
    graph = job.lower(candidate.pipeline, [log, _keep_tensor_graphs(tensors), *observers])
    shapes = {node.name: layout for node, layout in layouts(tensors[-1]).items()}
    segments, shapes = build_segments(graph, job.model.dtype, shapes)
    program = Program(
        segments=segments,
        inputs=job.inputs,
        outputs=tuple(node.name for node in graph.outputs),
        layouts=shapes,
        domain=job.domain,
        cost=job.cost,
        manifest=_manifest(job, candidate, graph),
        source=job.model.data,
        initial=log.initial,
        passes=tuple(log.records),
    )
    program = from_bytes(program.to_bytes())
    program = _with_manifest(program, metrics=_metrics(job, program, candidate, reference))
    source = None if strip_source else program.source
    return replace(program, source=source, seconds=tuple(log.seconds))


def _keep_tensor_graphs(kept: list[Graph]) -> PassObserver:
    """Layouts of values are read off the last tensor graph: later levels keep the names."""

    def observe(done: Pass, before: Graph, after: Graph, seconds: float) -> None:
        if after.level is Level.TENSOR:
            kept.append(after)

    return observe


def _manifest(job: Job, candidate: Candidate, graph: Graph) -> dict[str, Any]:
    from importlib.metadata import version

    return {
        "coding": candidate.coding,
        "steps": graph.steps,
        "read_out": graph.read_out,
        "levels": candidate.levels,
        "pipeline": candidate.pipeline,
        "target": job.target.name,
        "seed": job.seed,
        "source_sha256": job.model.sha256,
        "dtype": job.model.dtype,
        "dt": 1.0,
        "versions": {name: version(name) for name in ("pinnir", "nir", "numpy", "onnx")},
    }


def _with_manifest(program: Program, **told: Any) -> Program:
    return replace(program, manifest=program.manifest | told)


def _metrics(
    job: Job, program: Program, candidate: Candidate, reference: tuple[Array, Array] | None
) -> dict[str, Any]:
    """The figures on the evaluation points, and against the reference on its points."""
    metrics = program.run(job.combined(job.evaluation, MEASURED_POINTS)).metrics
    metrics |= {"coding": candidate.coding, "levels": candidate.levels}
    if reference is not None:
        points, truth = reference
        result = program.run(points)
        metrics |= reference_errors(result.outputs, result.source, truth)
    return metrics


def load_reference(path: str | Path) -> tuple[Array, Array]:
    """Points and reference solution of an ``.npz`` file with ``points`` and ``outputs``.

    Raises:
        DomainError: If the file cannot be read or does not hold one row of outputs a point.
    """
    arrays = load_points(path, ("points", "outputs"))
    points = as_numbers(arrays["points"], f"points of {path}")
    outputs = as_numbers(arrays["outputs"], f"outputs of {path}")
    if not (points.ndim and outputs.ndim and outputs.size and len(outputs) == len(points)):
        raise DomainError(
            f"{path} has points of shape {points.shape} and outputs of shape {outputs.shape}",
            hint="save one row a point in both",
        )
    return points, outputs.reshape(len(outputs), -1)

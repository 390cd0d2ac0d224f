"""From a candidate to a program: run its pipeline, cut it into segments, measure what it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from pinnir.diagnosis.observed_layers import ObservedLayers
from pinnir.diagnosis.pass_log import PassLog
from pinnir.ir.graph import Graph, Level
from pinnir.ir.sample_axes import layouts
from pinnir.mapping.integer_cores import check_range, integer_core
from pinnir.metrics.field_errors import class_scores, errors_on_sets, reference_errors
from pinnir.numerics.matrix import Array
from pinnir.passes.rounding.quantise_inputs import largest_input
from pinnir.passes.tidying.split_host import SplitHost
from pinnir.pipeline.manager import Passes, PassObserver
from pinnir.program.frontier import Candidate
from pinnir.program.line_costs import VARYING, stream_costs
from pinnir.program.program import Program, RunResult
from pinnir.program.reading import from_bytes
from pinnir.program.segments import build_segments, program_names
from pinnir.search.job import FEW_POINTS, MEASURED_POINTS, Job
from pinnir.search.work import points_for

# That a delta program's costs are measured on, through the whole domain.
LINES = 64


def build(
    job: Job,
    candidate: Candidate,
    observers: Sequence[PassObserver] = (),
    reference: tuple[Array, Array] | None = None,
    *,
    strip_source: bool = False,
) -> Program:
    """Run the pipeline, serialise, read back, and measure what was read."""
    points = job.selection[:FEW_POINTS]
    log = PassLog(lambda graph: job.outputs_of(graph, points), job.few_truths)
    observed = ObservedLayers(job.context)
    program = assemble(job, candidate, [log, observed, *observers])
    program = replace(program, initial=log.initial, passes=tuple(log.records))
    program = from_bytes(program.to_bytes())
    program = with_manifest(
        program,
        metrics=_metrics(job, program, candidate, reference),
        budget=msgspec.to_builtins(job.budget(observed)),
    )
    source = None if strip_source else program.source
    return replace(program, source=source, seconds=tuple(log.seconds))


def assemble(
    job: Job,
    candidate: Candidate,
    observers: Sequence[PassObserver] = (),
) -> Program:
    """The program of a candidate, not measured yet; observers as for :meth:`Job.graphs`."""
    graphs = job.graphs(candidate.passes, observers)
    graph = graphs[-1]
    # Layouts of values are read off the last tensor graph: later levels keep the names.
    tensors = [one for one in graphs if one.level is Level.TENSOR]
    shapes = {node.name: layout for node, layout in layouts(tensors[-1]).items()}
    segments, shapes = build_segments(graph, job.model.dtype, shapes)
    if job.target.integers is not None:
        # Every core computes with the target's integers, and none can overflow.
        largest = largest_input(candidate.passes)
        for segment in segments:
            if segment.running is not None:
                check_range(integer_core(segment.running, largest), job.target.integers)
    return Program(
        segments=segments,
        inputs=job.inputs,
        outputs=tuple(node.name for node in graph.outputs),
        layouts=shapes,
        domain=job.domain,
        cost=job.cost_of(_split(job, candidate.passes, graphs)),
        manifest=_manifest(job, candidate, graph),
        scales=job.scales,
        source=job.model.data,
    )


def with_manifest(program: Program, **told: Any) -> Program:
    """The program with more said in its manifest."""
    return replace(program, manifest=program.manifest | told)


def _split(job: Job, passes: Passes, graphs: Sequence[Graph]) -> Graph:
    """What the network costs, and how much of it spikes, follows from where it is split."""
    pairs = zip(passes, graphs[1:], strict=True)
    return next((after for one, after in pairs if isinstance(one, SplitHost)), job.split)


def _manifest(job: Job, candidate: Candidate, graph: Graph) -> dict[str, Any]:
    from importlib.metadata import version

    placed: dict[str, Any] = {}
    if graph.placement is not None:
        names = program_names(graph.executed)
        cores = {names[name]: cores for name, cores in graph.placement.cores.items()}
        placed = {"placement": replace(graph.placement, cores=cores).told()}
    return placed | {
        "coding": candidate.coding,
        "steps": graph.executed.steps,
        "read_out": graph.executed.read_out,
        "levels": candidate.levels,
        "pipeline": candidate.pipeline,
        "target": job.target.name,
        "seed": job.seed,
        "source_sha256": job.model.sha256,
        "dtype": job.model.dtype,
        "dt": 1.0,
        "versions": {name: version(name) for name in ("pinnir", "nir", "numpy", "onnx")},
    }


def _metrics(
    job: Job, program: Program, candidate: Candidate, reference: tuple[Array, Array] | None
) -> dict[str, Any]:
    """The figures on the evaluation points, and against the reference on its points."""
    sets = job.sets(job.evaluation, MEASURED_POINTS)
    given = len(job.evaluation)
    most = points_for(job, candidate, given) if candidate.steps > 1 else given
    # Of a classifier all that is labelled counts; of several axes there are few samples.
    if most < given and job.labels is None and job.domain.axis_count == 1:
        sets = [points[: max(1, most // len(sets))] for points in sets]
    results = [program.run(points) for points in sets]
    metrics = pooled(results)
    metrics |= stream_costs(program, LINES, job.seed)
    metrics |= {"coding": candidate.coding, "levels": candidate.levels}
    metrics |= {f"{name}_points_not_finite": count for name, count in job.left_out.items()}
    if job.model.batch_rounding_left_out:
        metrics["batch_rounding_left_out"] = job.model.batch_rounding_left_out
    if job.labels is not None:
        scores = np.concatenate([result.outputs for result in results])
        metrics |= class_scores(scores, job.source(job.evaluation), job.labels)
    if reference is not None:
        points, truth = reference
        result = program.run(points)
        metrics |= reference_errors(result.outputs, result.source, truth)
    return metrics


def pooled(results: Sequence[RunResult]) -> dict[str, Any]:
    """Figures of one program over several sets of points, as if they were one.

    Args:
        results: Of runs on equally many points, with the source network's outputs.
    """
    fields = [(one.outputs, one.source) for one in results if one.source is not None]
    told = [result.metrics for result in results]
    metrics = dict(told[0])
    # The sets are equally large, so their mean is the figure of all points.
    averaged = [name for name in VARYING if name in metrics]
    metrics |= {name: float(np.mean([one[name] for one in told])) for name in averaged}
    metrics |= {name: sum(one[name] for one in told) for name in ("points", "samples")}
    return metrics | errors_on_sets(fields, results[0].scales)

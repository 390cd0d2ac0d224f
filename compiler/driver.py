"""compile(): from a model and a tolerance to a proven program."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from pinnir import pipelines
from pinnir.domain import Domain, load_points, parse_domain
from pinnir.errors import DomainError, PinnirError, ToleranceError
from pinnir.evaluate import evaluate
from pinnir.frontend import Model, read_model
from pinnir.ir import Array, Graph, Input
from pinnir.manager import Context, PassManager, PassObserver, parse_pipeline
from pinnir.metrics import field_errors, reference_errors, relative_l2, source_cost
from pinnir.observe import PassLog
from pinnir.program import Program, build_segments, from_bytes, run_source
from pinnir.target import Target, find_target

DEFAULT_RTOL = 1e-2

# Numbers of Sobol points. The search looks at the selection points only; what is reported is
# measured on the evaluation points. All three sets are different.
CALIBRATION_POINTS = 2048
SELECTION_POINTS = 1024
EVALUATION_POINTS = 4096
# Points on which the pass log measures errors, and the search simulates rate programs.
LOG_POINTS = 256

# A candidate is taken if its error on the selection points is below this share of the tolerance,
# because evaluation points differ.
_MARGIN = 0.97
_MAX_LEVELS = 256**2
_RATE_STEPS = (8, 16, 32, 64, 128, 256)
_RATE_UNITS = (1, 2, 4, 8, 16, 32)
_RETRIES = 6

Progress = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Job:
    """One compilation: the model and everything that is asked of it.

    Attributes:
        model: The source network.
        domain: Where it is to be accurate.
        target: What it is compiled for.
        seed: Of all points.
        calibration: Points to fit on.
        selection: Points that the search looks at.
        evaluation: Points that the result is measured on.
        progress: Told what is being done.
    """

    model: Model
    domain: Domain
    target: Target
    seed: int
    calibration: Array
    selection: Array
    evaluation: Array
    progress: Progress

    @property
    def inputs(self) -> tuple[tuple[str, int], ...]:
        """The model's inputs as ``(name, columns)``."""
        return tuple(
            (node.name, node.op.width)
            for node in self.model.graph.inputs
            if isinstance(node.op, Input) and node.op.width is not None
        )

    def source(self, points: Array) -> Array:
        """The source network's outputs, by ONNX Runtime."""
        return run_source(self.model.data, points, self.inputs)

    def lower(self, pipeline: str, observers: Sequence[PassObserver] = ()) -> Graph:
        """The graph after a pipeline."""
        context = Context(self.model.graph, self.calibration, self.target, self.seed)
        manager = PassManager(parse_pipeline(pipeline), tuple(observers))
        with threadpool_limits(1):  # one order of summation on every machine
            return manager.run(self.model.graph, context)


@dataclass(frozen=True)
class Candidate:
    """One way to compile: a pipeline and what it is called."""

    coding: str
    steps: int
    levels: int
    pipeline: str


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
        observers: Called after every pass of the final pipeline.
        progress: Told in words what is being done.

    Raises:
        PinnirError: For bad input, naming what, where and what to do.
        ToleranceError: If ``rtol`` cannot be reached; it carries what was.
    """
    job = _prepare(model, domain, target, seed, calibration, progress)
    wanted = _tolerance(job, rtol, reference, fixed=bool(levels or pipeline))
    best: Program | None = None
    for candidate in _candidates(job, coding, steps, levels, pipeline, wanted):
        program = _build(job, candidate, strip_source, observers, reference)
        error = program.metrics["rel_l2"]
        if wanted is None or error <= wanted:
            return _with_manifest(program, rtol=wanted)
        progress(f"{candidate.levels} levels: {error:.3e} on the evaluation points, one more try")
        if best is None or error < best.metrics["rel_l2"]:
            best = program
    assert best is not None and wanted is not None
    raise ToleranceError(
        f"the tolerance {wanted:.3g} was not reached; the best program has relative L2 error "
        f"{best.metrics['rel_l2']:.3g} ({best.manifest['coding']}, "
        f"{best.manifest['steps']} steps, {best.manifest['levels']} levels)",
        reached=best.metrics,
        hint="allow a larger --rtol, more --levels or --steps, or another --coding",
    )


def _prepare(
    model: str | Path | Model,
    domain: str,
    target: str,
    seed: int,
    calibration: Array | None,
    progress: Progress,
) -> Job:
    found = find_target(target)
    loaded = model if isinstance(model, Model) else read_model(model)
    box = parse_domain(domain, loaded.graph)
    loaded = _with_width(loaded, len(box.columns))
    seeds = [int(s) for s in np.random.SeedSequence(seed).generate_state(3)]
    if calibration is None:
        calibration = box.sample(CALIBRATION_POINTS, seeds[0])
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


def _with_width(model: Model, columns: int) -> Model:
    """Fix an input width that the model leaves open; the domain says what it is."""
    if len(model.graph.inputs) != 1:
        return model
    graph = model.graph.rewrite(
        lambda node: node.with_op(Input(columns)) if isinstance(node.op, Input) else node
    )
    return replace(model, graph=graph)


def _tolerance(
    job: Job, rtol: float | str | None, reference: tuple[Array, Array] | None, *, fixed: bool
) -> float | None:
    if reference is not None:
        points, truth = reference
        job.domain.check(points, "the reference points")
        own = job.source(points)
        if own.shape != truth.shape:
            raise DomainError(
                f"the reference solution has shape {truth.shape}, the network gives {own.shape}",
                hint="save points and outputs with one row a point and one column an output",
            )
    if rtol == "auto":
        if reference is None:
            raise DomainError(
                "a tolerance of auto is a third of the network's own error, which needs a "
                "reference solution",
                hint="give --reference REF.npz, or a number",
            )
        return relative_l2(own, truth) / 3
    if rtol is None:
        return None if fixed else DEFAULT_RTOL
    try:
        value = float(rtol)
    except ValueError:
        value = np.nan
    if not 0 < value < np.inf:
        raise PinnirError(f"the tolerance {rtol} is not a positive number", hint="try 1e-2")
    return value


def _candidates(
    job: Job,
    coding: str,
    steps: int | None,
    levels: int | None,
    pipeline: str | None,
    wanted: float | None,
) -> Iterator[Candidate]:
    """What to try, most promising first; the caller stops at the first that holds."""
    _check_counts(steps, levels)
    if pipeline is not None:
        yield _own_pipeline(pipeline)
        return
    chosen = _choose_coding(job.target, coding)
    if chosen == "population":
        yield from _population(job, steps, levels, wanted)
    else:
        yield from _rate(job, steps, levels, wanted)


def _check_counts(steps: int | None, levels: int | None) -> None:
    if steps is not None and steps < 1:
        raise PinnirError(f"{steps} steps are too few", hint="give --steps 1 or more")
    if levels is not None and not 2 <= levels <= _MAX_LEVELS:
        raise PinnirError(
            f"{levels} levels are out of range", hint=f"give --levels from 2 to {_MAX_LEVELS}"
        )


def _choose_coding(target: Target, coding: str) -> str:
    if coding == "auto":
        return target.codings[0]
    if coding not in target.codings:
        raise PinnirError(
            f"target {target.name} does not run the coding {coding!r}",
            hint=f"it runs auto, {', '.join(target.codings)}",
        )
    return coding


def _own_pipeline(text: str) -> Candidate:
    passes = {one.name: one for one in parse_pipeline(text)}
    lower = passes.get("lower")
    if lower is None:
        raise PinnirError(
            "the pipeline makes no spiking program: it has no pass 'lower'",
            hint="a complete pipeline is " + pipelines.population(256),
        )
    levels = getattr(passes.get("quantise-activations"), "levels", 0)
    return Candidate(lower.coding, lower.steps, levels, text)  # type: ignore[attr-defined]


def _population(
    job: Job, steps: int | None, levels: int | None, wanted: float | None
) -> Iterator[Candidate]:
    if steps not in (None, 1):
        raise PinnirError(
            f"population coding takes one step, not {steps}",
            hint="leave --steps out, or use --coding rate",
        )

    def make(count: int) -> Candidate:
        return Candidate("population", 1, count, pipelines.population(count))

    if levels is not None:
        yield make(levels)
        return
    assert wanted is not None
    counts = _level_counts()
    truth = job.source(job.selection)

    def sufficient(count: int) -> bool:
        graph = job.lower(pipelines.staircase(count))
        error = relative_l2(_outputs(graph, job.selection), truth)
        job.progress(f"{count} levels: {error:.3e}")
        return error <= _MARGIN * wanted

    first = _smallest(counts, _guess(counts, wanted), sufficient)
    yield from (make(count) for count in counts[first : first + _RETRIES])


def _level_counts() -> list[int]:
    """n^2 and n (n + 1): the numbers of levels that coarse and fine units reach without waste."""
    return [n * m for n in range(2, 257) for m in (n, n + 1) if n * m <= _MAX_LEVELS]


def _guess(counts: list[int], wanted: float) -> int:
    """Where the search starts: relative L2 errors are about 2.5 / levels."""
    return int(np.clip(np.searchsorted(counts, 2.5 / wanted), 0, len(counts) - 1))


def _smallest(counts: list[int], start: int, sufficient: Callable[[int], bool]) -> int:
    """Index of the smallest sufficient count (the last if none is): gallop, then bisect."""
    low, high = 0, len(counts) - 1  # below low none is sufficient, high is or is the last
    probe, stride = start, 1
    while low < high:
        if sufficient(counts[probe]):
            high = probe
            probe -= stride
        else:
            low = probe + 1
            probe += stride
        stride *= 2
        if not low <= probe < high:
            probe = (low + high) // 2
    return low


def _rate(
    job: Job, steps: int | None, levels: int | None, wanted: float | None
) -> Iterator[Candidate]:
    def make(t: int, units: int) -> Candidate:
        return Candidate("rate", t, units * t + 1, pipelines.rate(t, units))

    if levels is not None:
        t = steps or 32
        yield make(t, max(1, round((levels - 1) / t)))
        return
    assert wanted is not None
    tried = [(t, k) for t in ((steps,) if steps else _RATE_STEPS) for k in _RATE_UNITS]
    tried.sort(key=lambda pair: (pair[0] * pair[1], pair[0]))
    points = job.selection[:LOG_POINTS]
    truth = job.source(points)
    errors: dict[tuple[int, int], float] = {}
    for t, k in tried:
        graph = job.lower(pipelines.rate(t, k))
        errors[t, k] = relative_l2(_outputs(graph, points), truth)
        job.progress(f"{t} steps, {k} units: {errors[t, k]:.3e}")
        if errors[t, k] <= _MARGIN * wanted:
            yield make(t, k)
    if min(errors.values()) > _MARGIN * wanted:
        yield make(*min(errors, key=errors.__getitem__))


def _build(
    job: Job,
    candidate: Candidate,
    strip_source: bool,
    observers: Sequence[PassObserver],
    reference: tuple[Array, Array] | None,
) -> Program:
    """Run the pipeline, serialise, read back, and measure what was read."""
    points = job.selection[:LOG_POINTS]
    log = PassLog(lambda graph: _outputs(graph, points), job.source(points))
    graph = job.lower(candidate.pipeline, [log, *observers])
    program = Program(
        segments=build_segments(graph, job.model.dtype),
        inputs=job.inputs,
        outputs=tuple(node.name for node in graph.outputs),
        domain=job.domain,
        cost=source_cost(job.lower(pipelines.TIDY)),
        manifest=_manifest(job, candidate, graph),
        source=None if strip_source else job.model.data,
        initial=log.initial,
        passes=tuple(log.records),
    )
    program = from_bytes(program.to_bytes())
    program = _with_manifest(program, metrics=_metrics(job, program, candidate, reference))
    return replace(program, seconds=tuple(log.seconds))


def _outputs(graph: Graph, points: Array) -> Array:
    with threadpool_limits(1):
        return np.concatenate(evaluate(graph, graph.bind(points)), axis=1)


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
    result = program.run(job.evaluation)
    metrics = dict(result.metrics)
    if result.source is None:
        metrics |= field_errors(result.outputs, job.source(job.evaluation))
    metrics |= {"coding": candidate.coding, "levels": candidate.levels}
    if reference is not None:
        points, truth = reference
        metrics |= reference_errors(program.run(points).outputs, job.source(points), truth)
    return metrics


def load_reference(path: str | Path) -> tuple[Array, Array]:
    """Points and reference solution of an ``.npz`` file with ``points`` and ``outputs``."""
    arrays = load_points(path, ("points", "outputs"))
    outputs = np.asarray(arrays["outputs"], np.float64)
    return np.asarray(arrays["points"], np.float64), outputs.reshape(len(outputs), -1)

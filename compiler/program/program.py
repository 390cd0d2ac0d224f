"""The compiled artefact: segments that run one after the other. Its file: ``reading.py``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import asdict
from numpy.typing import NDArray

from pinnir.base.errors import DomainError, ProgramFileError
from pinnir.base.files import check_writable, write_atomic
from pinnir.base.threads import one_thread
from pinnir.diagnosis.error_budget import Budget
from pinnir.diagnosis.pass_log import PassRecord
from pinnir.ir.graph import Graph
from pinnir.ir.placement import Placement, StoredPlacement
from pinnir.ir.sample_axes import Layout
from pinnir.metrics.field_errors import all_errors, class_scores
from pinnir.metrics.output_scales import OutputScale
from pinnir.metrics.source_cost import SourceCost
from pinnir.metrics.spikes import SpikeCounter, depth, layer_rates, program_size, spike_costs
from pinnir.numerics.matrix import Array
from pinnir.points.domain import Domain
from pinnir.points.held_out import Labels
from pinnir.points.streaming_order import Streaming
from pinnir.program.execute import Execution, Points
from pinnir.program.frontier import Frontier
from pinnir.program.running import SourceNetwork, chunk_of, not_finite, segment_parts
from pinnir.program.segments import Segment
from pinnir.program.simulators import Backend, find_backend
from pinnir.program.streamed_cores import is_streaming
from pinnir.program.writing import contents, write_seconds


@dataclass(frozen=True, eq=False)
class RunResult:
    """What a run gives.

    Attributes:
        outputs: ``(samples, outputs)``.
        source: The source network's outputs on the same points, where the program carries it.
        spikes: Spikes of every unit over all points and steps, by population.
        layers: Units, spikes per point and spiking rate of each population.
        metrics: The figures of ``metrics/`` over these points.
        scales: What the error of every output column is measured against, if that is known.
        unsmoothed: The outputs as they were, if ``outputs`` were smoothed (``smooth.py``).
    """

    outputs: Array
    source: Array | None
    spikes: dict[str, Array]
    layers: dict[str, dict[str, float]]
    metrics: dict[str, Any]
    scales: tuple[OutputScale, ...] = ()
    unsmoothed: Array | None = None

    def classified(self, labels: Labels) -> RunResult:
        """The same with the share of points that are put into the right class.

        Raises:
            DomainError: If the labels do not fit the outputs.
        """
        found = class_scores(self.outputs, self.source, labels)
        return replace(self, metrics=self.metrics | found)


@dataclass(frozen=True, eq=False)
class Program:
    """A spiking program.

    Attributes:
        segments: In running order.
        inputs: The model's inputs as ``(name, columns)``.
        outputs: Names of the output values.
        layouts: Of the values that segments take and give, by name.
        domain: What it was compiled for.
        cost: Cost of the source network.
        scales: What the error of every output column is measured against; none in programs of
            earlier versions.
        manifest: Everything else that is said about the program, as JSON values.
        source: The source network as ONNX, or None if it was stripped.
        initial: The printed graph before the first pass.
        passes: What each pass did.
        seconds: Wall-clock seconds per pass, if known; not part of the file.
        frontier: Every program that the compilation measured, if this is the one it chose; not
            part of the file either, which says what this program is.
    """

    segments: tuple[Segment, ...]
    inputs: tuple[tuple[str, int], ...]
    outputs: tuple[str, ...]
    layouts: dict[str, Layout]
    domain: Domain
    cost: SourceCost
    manifest: dict[str, Any]
    scales: tuple[OutputScale, ...] = ()
    source: bytes | None = None
    initial: str = ""
    passes: tuple[PassRecord, ...] = ()
    seconds: tuple[float, ...] = field(default=())
    frontier: Frontier | None = None

    def __repr__(self) -> str:
        told = self.manifest
        error = self.metrics.get("rel_l2")
        return (
            f"<Program {told.get('coding')} for {told.get('target')}: "
            f"{self.metrics.get('neurons')} neurons, {told.get('steps')} steps"
            + (f", rel_l2 {error:.2e}>" if error is not None else ">")
        )

    @property
    def cores(self) -> list[Graph]:
        """The spiking cores that NIR can say, in running order."""
        return [segment.core for segment in self.segments if segment.core is not None]

    @property
    def running(self) -> list[Graph]:
        """The cores that run: those for programmable neurons, of the codings that need them."""
        return [segment.running for segment in self.segments if segment.running is not None]

    @property
    def is_streamed(self) -> bool:
        """Whether the cores are for programmable neurons."""
        return any(segment.streamed is not None for segment in self.segments)

    @property
    def depth(self) -> int:
        """Populations in a row, over all cores."""
        depths: dict[str, int] = {}
        for segment in self.segments:
            before = max((depths.get(name, 0) for name in segment.inputs), default=0)
            here = before + (depth(segment.running) if segment.running is not None else 0)
            depths |= dict.fromkeys(segment.outputs, here)
        return max(depths.values(), default=0)

    @property
    def metrics(self) -> dict[str, Any]:
        """What was measured on the evaluation points when the program was compiled."""
        measured: dict[str, Any] = self.manifest.get("metrics", {})
        return measured

    @property
    def budget(self) -> Budget | None:
        """What every layer contributes to the error; None in programs of earlier versions."""
        told = self.manifest.get("budget")
        return None if told is None else msgspec.convert(told, Budget)

    @property
    def placement(self) -> Placement | None:
        """The core of every unit, if the pass place was run."""
        told = self.manifest.get("placement")
        return None if told is None else msgspec.convert(told, StoredPlacement).restored()

    def run(
        self,
        points: Array | Sequence[Array],
        backend: str = "fast",
        *,
        reference: Array | None = None,
        streaming: Streaming | None = None,
    ) -> RunResult:
        """Run the program on points of its domain.

        Args:
            points: ``(samples, columns)``. A network of several sample axes also takes one array
                an axis, ``(samples of that axis, its columns)``, and gives the values at all
                combinations, those of the last axis fastest.
            backend: Name in the BACKENDS table.
            reference: Reference solution on these points, ``(samples, outputs)``, to measure
                against as well.
            streaming: In which order a delta program takes the points; what it gives stands in
                their own order.

        Where the source network is not finite, a program of one sample axis is not run: its
        outputs are NaN there, and the metric ``points_not_finite`` counts such points. A delta
        program, whose cost depends on the points before, is refused, as is one of several axes.

        Raises:
            DomainError: If the points do not fit the domain, or the order does not fit them, or
                the program takes points in any order.
            BackendError: If the backend is unknown, not installed, or fails.
        """
        where: Points = (
            self.domain.check(points, "points")
            if isinstance(points, np.ndarray)
            else self.domain.check_tables(points, "points")
        )
        if streaming is not None and not self.streams:
            raise DomainError(
                f"a {self.manifest.get('coding')} program takes points in any order",
                hint="leave order and lines out; compile with --coding delta for streaming",
            )
        runner = find_backend(backend)
        # The network first: where it is not finite the cores' sums would be NaN.
        source, runs = self._source_values(where)
        if runs is not None:
            where = _at(where[0] if isinstance(where, tuple) else where, runs)
        outputs, counters = self.run_cores(where, runner, streaming)
        metrics: dict[str, Any] = {"points": len(outputs), "backend": backend}
        if runner.handed_over:
            metrics["handed_over"] = list(runner.handed_over)
        truths = None if source is None else _at(source, runs)
        reference = None if reference is None else _at(reference, runs)
        metrics |= all_errors(outputs, truths, reference, self.scales)
        if runs is not None:
            metrics["points_not_finite"] = int((~runs).sum())
        spikes = {name: count for counter in counters for name, count in counter.spikes.items()}
        products = [None if c.changes is None else c.changes.products for c in counters]
        samples = [counter.samples for counter in counters]
        metrics |= program_size(self.running) | {"depth": self.depth}
        metrics |= spike_costs(self.running, spikes, samples, self.cost, products)
        total = sum(float(count.sum()) for count in spikes.values())
        metrics |= {"samples": sum(samples), "spikes_per_point": total / len(outputs)}
        if self.streams:
            metrics["events_per_activation"] = metrics["spikes_per_activation"]
        layers = layer_rates(self.running, spikes, samples)
        if runs is not None:
            outputs = _everywhere(outputs, runs)
        return RunResult(outputs, source, spikes, layers, metrics, self.scales)

    def run_cores(
        self, points: Points, backend: Backend, streaming: Streaming | None = None
    ) -> tuple[Array, list[SpikeCounter]]:
        """Run the program on points that fit its domain, and measure nothing.

        Args:
            points: ``(samples, columns)``; or one table for each sample axis.
            backend: Runs the cores.
            streaming: As for :meth:`run`.

        Returns:
            Outputs ``(samples, outputs)``, and what the units of every core sent.

        Raises:
            DomainError: If the order does not fit the points.
            BackendError: If the backend cannot run a core, or fails.
        """
        streaming = streaming or Streaming()
        counters = [SpikeCounter() for _ in self.running]
        # One thread: sums have one order on every machine, and layers are too small to share.
        with one_thread():
            parts = segment_parts(self.segments, self.layouts, backend, counters, streaming.lines)
            chunk, order = chunk_of(self.running, backend.points_at_once), None
            if self.streams:
                chunk = max(1, chunk // streaming.lines) * streaming.lines
                order = partial(streaming.rows, domain=self.domain)
            execution = Execution(
                parts, self.layouts, self.inputs, self.outputs, chunk, order=order
            )
            return execution.on(points, self.domain), counters

    def run_grid(
        self,
        shape: tuple[int, ...],
        backend: str = "fast",
        *,
        order: str | None = None,
        lines: int | None = None,
    ) -> RunResult:
        """Run the program on a uniform grid over its domain, first column slowest.

        A network of several sample axes is simulated once for every coordinate of the grid.

        Args:
            shape: One size a column.
            backend: Name in the BACKENDS table.
            order: In which a delta program takes the points, ``boustrophedon`` if not given.
            lines: How many of them run side by side, 1 if not given.

        Raises:
            DomainError: If ``shape`` has another number of columns or a size below 1, or the
                order does not fit it.
            BackendError: As :meth:`run`.
        """
        streaming = self.streaming(order, lines, shape)
        result = self.run(self.domain.grid_tables(shape), backend, streaming=streaming)
        outputs = self.domain.by_columns(result.outputs, shape)
        source = None if result.source is None else self.domain.by_columns(result.source, shape)
        return replace(result, outputs=outputs, source=source)

    def _source_values(self, points: Points) -> tuple[Array | None, NDArray[np.bool_] | None]:
        """The source network's outputs where it is there, and the points to run: None for all.

        Raises:
            BackendError: If ONNX Runtime fails, or the network is not finite where all must run.
        """
        if self.source is None:
            return None, None
        source, finite = self._network(self.source).values(points)
        if finite.all():
            return source, None
        if self.streams or self.domain.axis_count > 1 or not finite.any():
            raise not_finite(points, finite)
        return source, finite

    def _network(self, source: bytes) -> SourceNetwork:
        return SourceNetwork(source, self.domain, self.inputs, self.layouts, self.outputs)

    def run_source(self, points: Points) -> Array:
        """The source network's outputs on points of its domain, ``(points, outputs)``.

        Raises:
            ProgramFileError: If the program does not carry the network.
        """
        if self.source is None:
            raise ProgramFileError(
                "the program does not hold its source network",
                hint="compile without --strip-source",
            )
        return self._network(self.source)(points)

    def streaming(
        self, order: str | None, lines: int | None, shape: tuple[int, ...] | None = None
    ) -> Streaming | None:
        """What was asked of the order of points, None if nothing was and it does not matter.

        Raises:
            DomainError: If there is no such order, or it does not fit points that are no grid.
        """
        if order is None and lines is None and not self.streams:
            return None
        return Streaming(order, 1 if lines is None else lines, shape)

    @property
    def streams(self) -> bool:
        """Whether the order of points matters for what they cost."""
        return any(map(is_streaming, self.running))

    def save(self, path: str | Path) -> None:
        """Write the program file, completely or not at all.

        The same program gives the same bytes. Wall-clock times, which differ from run to run, go
        to ``<path>.seconds.json`` beside it.

        Raises:
            ProgramFileError: If the file cannot be written.
        """
        write_atomic(Path(path), self.to_bytes())
        calls = [record.call for record in self.passes if self.seconds]
        write_seconds(Path(path), list(zip(calls, self.seconds, strict=True)))

    def dump(self, folder: str | Path) -> None:
        """Write the printed graph after the frontend and after every pass to ``NN-name.txt``.

        Raises:
            ProgramFileError: If the folder cannot be made or written.
        """
        folder = Path(folder)
        check_writable(folder / "dump", make_folder=True)
        named = [("frontend", self.initial), *((p.name, p.text) for p in self.passes)]
        for index, (name, text) in enumerate(named):
            write_atomic(folder / f"{index:02d}-{name}.txt", text.encode())

    def to_bytes(self) -> bytes:
        """The program file's contents, sealed."""
        texts = [self.initial, *(record.text for record in self.passes)]
        return contents(self.told(), self.segments, self.source, texts)

    def told(self) -> dict[str, Any]:
        """The manifest of its file, as JSON values."""
        passes = [asdict(record) for record in self.passes]
        return self.manifest | {
            "segments": [[s.label, s.inputs, s.outputs] for s in self.segments],
            "inputs": self.inputs,
            "outputs": self.outputs,
            "layouts": self.layouts,
            "domain": self.domain.told(),
            "cost": asdict(self.cost),
            "scales": [asdict(one) for one in self.scales],
            "passes": [{k: v for k, v in one.items() if k != "text"} for one in passes],
        }


def _at(values: Array, runs: NDArray[np.bool_] | None) -> Array:
    """Rows of the points that run; all if that is None."""
    return values if runs is None else values[runs]


def _everywhere(outputs: Array, runs: NDArray[np.bool_]) -> Array:
    """Outputs of the points that ran in their rows, NaN in the others."""
    filled = np.full((len(runs), outputs.shape[1]), np.nan)
    filled[runs] = outputs
    return filled

"""Rate coding: what one signed IF neuron, split units and light calibration give.

``python -m benchmarks.rate`` writes ``docs/rate.md``.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from benchmarks.common import own_cases, table, write_page
from pinnir.base.threads import one_thread
from pinnir.ir.evaluate import evaluate
from pinnir.ir.graph import Affine, Graph, Node
from pinnir.metrics.field_errors import relative_l2
from pinnir.metrics.source_cost import source_cost
from pinnir.metrics.spikes import SpikeCounter
from pinnir.neurons import IF
from pinnir.numerics.matrix import dense
from pinnir.passes import pipelines
from pinnir.passes.calibration.calibrate_light import CalibrateLight
from pinnir.pipeline.manager import Passes
from pinnir.search.compile import prepare
from pinnir.search.job import Job

STEPS = (8, 16, 32, 64, 128)
UNITS = (1, 4, 16, 32)
POINTS = 512

_HEAD = f"""# Measured: rate coding

Written by `python -m benchmarks.rate`. Relative L2 error against the network on {POINTS:,} points
that calibration has not seen, without any training. In brackets: spikes per source activation.

- *signed IF*: the published converter, one signed IF neuron per neuron, one threshold a layer by
  least mean square error (`balance-thresholds`), alone and with light calibration of the biases.
- *K units*: `split-thresholds`, K IF neurons per neuron, alone and with the same calibration.
- *potential spread*: the initial potential as a bias over the steps, instead of start units.
"""


def _spread(graph: Graph) -> Graph:
    """The program with the initial potentials spread over the steps as a bias."""

    def change(node: Node) -> Node:
        op = node.op
        if isinstance(op, Affine) and node.name.endswith("_start_out"):
            return node.with_op(replace(op, weight=0.0 * dense(op.weight)))
        if isinstance(op, IF) and op.units > 1:
            return node.with_op(replace(op, bias=op.bias + op.threshold / 2 / graph.steps))
        return node

    return graph.rewrite(change)


def _cell(
    job: Job, pipeline: Passes, change: Callable[[Graph], Graph] = lambda graph: graph
) -> str:
    graph = change(job.lower(pipeline))
    points, counter = job.evaluation[:POINTS], SpikeCounter()
    with one_thread():
        (outputs,) = evaluate(graph, graph.bind(points), counter)
    error = relative_l2(outputs, job.source(points))
    activations = source_cost(job.lower(pipelines.TIDY)).activations
    spikes = sum(count.sum() for count in counter.spikes.values()) / POINTS / activations
    return f"{error:.2e} ({spikes:.0f})"


def _rows(job: Job) -> Iterator[list[object]]:
    light = CalibrateLight(points=256, potentials=False)
    yield ["signed IF", *(_cell(job, pipelines.rate_signed(t, None)) for t in STEPS)]
    yield ["signed IF, light", *(_cell(job, pipelines.rate_signed(t, light)) for t in STEPS)]
    for units in UNITS:
        split = [pipelines.rate(t, units) for t in STEPS]
        yield [f"{units} units", *(_cell(job, p) for p in split)]
        lit = [pipelines.rate(t, units, light) for t in STEPS]
        yield [f"{units} units, light", *(_cell(job, p) for p in lit)]
    yield [f"{units} units, potential spread", *(_cell(job, p, _spread) for p in split)]


def main() -> None:
    """Write the page."""
    parts = [_HEAD]
    for case in own_cases():
        rows = list(_rows(prepare(case.model, case.domain)))
        parts.append(f"\n## {case.name}\n")
        parts.append(table(["", *(f"T = {t}" for t in STEPS)], rows))
    write_page("rate.md", *parts)


if __name__ == "__main__":
    main()

"""The pre-flight: what compiling a model would do with every node, without compiling it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pinnir.base.errors import FrontendError, PinnirError
from pinnir.base.targets import find_target
from pinnir.frontend import Model, read_model
from pinnir.ir.graph import CORE, HOST, Activation, Constant, Graph, Input, Node, kind_of
from pinnir.ir.sample_axes import Layout, axes_of, columns_in, has_features, layouts
from pinnir.metrics.source_cost import source_cost
from pinnir.passes import pipelines
from pinnir.pipeline.context import Context
from pinnir.pipeline.manager import PassManager
from pinnir.points.domain import quoted
from pinnir.search.sizes import TOLD, PredictedSize, staircase_size

# Columns of an input that a suggested domain names one by one.
_MOST_NAMED = 8
_ON_DATA = (
    "it holds images or patches: fit it to data with --calibration POINTS.npz, and measure it on "
    "others with --evaluation"
)
_BATCH_ROUNDING = (
    "{} of its nodes round by the numbers of each batch: it is compiled, and compared with, the "
    "network without that"
)
_BUG = "this is a bug in pinnir; run 'pinnir --debug check {}' and report it"

FOLDED, REFUSED = "folded", "refused"


@dataclass(frozen=True)
class NodeReport:
    """What becomes of one ONNX node.

    Attributes:
        name: The node's name.
        op: Its operator.
        where: ``core``, ``host``, ``folded`` (computed while compiling) or ``refused``.
        segment: Part of the program, such as ``core.1``.
        reason: Why it does not spike.
        hint: What to do about a refusal.
    """

    name: str
    op: str
    where: str
    segment: str = ""
    reason: str = ""
    hint: str = ""


@dataclass(frozen=True)
class ModelReport:
    """What becomes of one model.

    Attributes:
        model: Its file.
        compiles: Whether pinnir can compile it.
        readable: Whether it could be read at all.
        reason: Why it cannot be compiled.
        hint: What to do about that.
        inputs: ``(name, columns, sample axis)`` of every input; None where columns are left open.
        forms: ``(name, dimensions in the file, what the file makes of samples)`` of every input.
        outputs: Number of outputs side by side.
        domain: What to pass as ``--domain``, with LO and HI to be filled in.
        core_mac_share: Share of the multiply-accumulates that spikes take over; 0 where the
            network has none.
        coding: The only coding that it compiles with, if not every one does.
        nodes: Every node; of a model that is refused, the nodes that are why.
        macs: Multiply-accumulates of the network, for one sample along every axis.
        sizes: What population programs of several levels are predicted to take; none for networks
            of images and patches.
        fault: Whether looking at it failed in a way that is a bug of pinnir.
    """

    model: str
    compiles: bool = False
    readable: bool = True
    reason: str = ""
    hint: str = ""
    inputs: tuple[tuple[str, int | None, int], ...] = ()
    forms: tuple[tuple[str, tuple[int | str | None, ...], str], ...] = ()
    outputs: int = 0
    domain: str = ""
    core_mac_share: float | None = None
    coding: str = ""
    nodes: tuple[NodeReport, ...] = ()
    macs: int | None = None
    sizes: tuple[PredictedSize, ...] = ()
    fault: bool = False


def preflight(path: str | Path) -> ModelReport:
    """Look at one model. Bad models are reported, not raised."""
    name = str(path)
    try:
        model = read_model(path)
    except FrontendError as error:
        return _refused(ModelReport(name, readable=bool(error.problems)), error, error.problems)
    graph = model.graph
    report = ModelReport(name, inputs=tuple(graph.model_inputs), domain=_domain(graph))
    if any(columns is None for _, columns, _ in report.inputs):
        hint = "the model leaves its number of columns open; the domain fixes it"
        return replace(report, compiles=True, hint=hint)
    try:
        return _check_graph(report, model)
    except PinnirError as error:
        return _refused(report, error, [error] if error.node else [])


def _refused(
    report: ModelReport, error: PinnirError, problems: Iterable[PinnirError]
) -> ModelReport:
    nodes = tuple(NodeReport(p.node, p.op, REFUSED, "", p.message, p.hint) for p in problems)
    return replace(report, reason=error.message, hint=error.hint, nodes=nodes)


def preflight_folder(folder: str | Path) -> list[ModelReport]:
    """Look at every ``.onnx`` file of a folder and the folders inside.

    Whatever goes wrong with one file is said in its report, and the others are looked at.

    Raises:
        FrontendError: If there is none.
    """
    paths = sorted(Path(folder).rglob("*.onnx"))
    if not paths:
        raise FrontendError(
            f"the folder {folder} holds no .onnx file", hint="give a model or a folder of models"
        )
    return [_preflight_safely(path) for path in paths]


def _preflight_safely(path: Path) -> ModelReport:
    name = str(path)
    try:
        return preflight(path)
    except PinnirError as error:
        return _refused(ModelReport(name, readable=False), error, ())
    except Exception as error:  # one file's bug is not to hide what the others' reports say
        reason = f"internal error: {type(error).__name__}: {error}"
        return ModelReport(name, reason=reason, hint=_BUG.format(name), fault=True)


def _check_graph(report: ModelReport, model: Model) -> ModelReport:
    graph = model.with_axes().graph
    columns = sum(columns or 0 for _, columns, _ in report.inputs)
    context = Context(graph, np.zeros((1, columns)), find_target("nir"))
    coding = ""
    try:
        split = PassManager(pipelines.SPLIT).run(graph, context)
    except PinnirError:
        if not has_features(graph):
            raise
        coding = "signgd"
        split = PassManager(pipelines.SPLIT_FEATURES).run(graph, context)
    cost = source_cost(split, graph if coding else None)
    shapes = layouts(graph)
    return replace(
        report,
        compiles=True,
        inputs=tuple(graph.model_inputs),
        forms=tuple(_forms(model)),
        outputs=sum(columns_in(shapes[node]) for node in graph.outputs),
        core_mac_share=cost.core_mac_share,
        macs=cost.macs,
        coding=coding,
        hint=_hint(model, coding),
        nodes=tuple(_placed(graph, split)),
        sizes=() if coding else tuple(staircase_size(cost, levels) for levels in TOLD),
    )


def _hint(model: Model, coding: str) -> str:
    """What to know of a model that compiles."""
    count = model.batch_rounding_left_out
    told = [_ON_DATA] if coding else []
    told += [_BATCH_ROUNDING.format(count)] if count else []
    return "; ".join(told)


def _forms(model: Model) -> Iterator[tuple[str, tuple[int | str | None, ...], str]]:
    """What the file makes of the samples of every input."""
    forms = {name: model.form(name) for name in model.declared}
    alone = all(form.takes_one for form in forms.values())
    for name, form in forms.items():
        shared = form.takes_one and not alone
        told = "one for all samples of a run" if shared else str(form)
        yield name, model.declared[name], told


def _domain(graph: Graph) -> str:
    """Every column with its range left open; of many columns one range for all."""
    names = [name for name, _, _ in graph.model_inputs]
    if len(names) == 1:
        ((name, columns, _),) = graph.model_inputs
        if columns and columns > _MOST_NAMED:
            return "LO:HI"
        names = names if columns == 1 else [f"{name}{i}" for i in range(columns or 2)]
    return ",".join(f"{quoted(name)}=LO:HI" for name in names)


def _placed(graph: Graph, split: Graph) -> list[NodeReport]:
    """Where every node of the imported graph went."""
    after = {node.name: node for node in split.nodes}
    cores = [int(label[5:]) for label in split.segments if label.startswith(CORE)]
    shapes = layouts(split)
    found: dict[Node, Node | None] = {}
    for node in reversed(graph.nodes):
        if node.name in after:
            found[node] = after[node.name]
        else:  # it became part of what uses it
            users = [found[user] for user in graph.users[node] if found[user] is not None]
            found[node] = next((u for u in users if u and u.in_core), users[0] if users else None)
    reports = []
    for node in graph.nodes:
        place, where, segment, reason = found[node], FOLDED, "", ""
        if isinstance(node.op, Input | Constant):
            continue
        if place is not None and not isinstance(place.op, Constant):
            where, segment = CORE if place.in_core else HOST, place.segment
            reason = "" if place.in_core else _why(place, cores, shapes[place])
        reports.append(NodeReport(node.name, _op(node), where, segment, reason))
    return reports


def _op(node: Node) -> str:
    """The ONNX operator: plain activations have been given names of their own."""
    return node.op.function.capitalize() if isinstance(node.op, Activation) else kind_of(node)


def _why(place: Node, cores: Iterable[int], layout: Layout) -> str:
    number = int(place.segment[5:])
    if len(axes_of(layout)) > 1:
        return "combines samples of several axes"
    if number < min(cores):
        return "prepares the inputs"
    if number > max(cores):
        return "works on what the last core gives"
    return "multiplies or transforms what cores give to each other"

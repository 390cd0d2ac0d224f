"""Passes, pipelines and their manager."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnir.base.errors import GraphError, PinnirError, PipelineError
from pinnir.codings.rate import RateCoding
from pinnir.ir.graph import Graph, Level, Node
from pinnir.passes import PASSES
from pinnir.passes.lowering.lower import Lower
from pinnir.passes.parsing import parse_pipeline, pass_class
from pinnir.passes.rounding.quantise_activations import QuantiseActivations
from pinnir.passes.tidying.fuse_affine import FuseAffine
from pinnir.pipeline.context import Context
from pinnir.pipeline.manager import Pass, PassManager
from pinnir.points.domain import Domain
from tests.helpers import context, core_graph

GRAPH = core_graph(0, (2, 3, 1), ("tanh",))
WRITE = 'hint: write "pass{option=value},pass"'


@dataclass(frozen=True)
class Example(Pass):
    """Do as the options say.

    More words.
    """

    name = "example"
    accepts = (Level.TENSOR,)

    count: int = 1
    share: float = 0.5
    loud: bool = False
    word: str = ""
    two_words: int = 0
    kind: Literal["plain", "broken"] = "plain"

    def apply(self, graph: Graph, context: Context) -> Graph:
        if self.kind == "broken":
            return graph.rewrite(lambda node: Node("same", node.op, node.operands, node.segment))
        return graph.rewrite(lambda node: node)


@pytest.fixture(autouse=True)
def example_in_the_table(monkeypatch):
    monkeypatch.setitem(PASSES, "example", f"{__name__}:Example")


def refusal(text: str) -> str:
    with pytest.raises(PipelineError) as caught:
        parse_pipeline(text)
    return str(caught.value)


# parsing


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("fuse-affine", (FuseAffine(),)),
        (" fuse-affine , lower ", (FuseAffine(), Lower())),
        ("fuse-affine,", (FuseAffine(),)),
        ("fuse-affine{}", (FuseAffine(),)),
        ("lower{coding=rate,steps=8}", (Lower(RateCoding(), 8),)),
        ("lower { coding = rate , steps = 8, }", (Lower(RateCoding(), 8),)),
        (
            "quantise-activations{range=layer,margin=1e-3},lower",
            (QuantiseActivations(range="layer", margin=1e-3), Lower()),
        ),
        ("example{loud=true}", (Example(loud=True),)),
        ("example{loud=false,word=a b}", (Example(word="a b"),)),
        ("example{count=-3,share=2}", (Example(count=-3, share=2.0),)),
        ("example{two-words=2}", (Example(two_words=2),)),
    ],
)
def test_parse(text, passes):
    assert parse_pipeline(text) == passes


@pytest.mark.parametrize(
    "text", ["lower", "lower{coding=rate,steps=8}", "quantise-activations{levels=64,margin=0.1}"]
)
def test_a_pass_prints_as_it_is_written(text):
    (one,) = parse_pipeline(text)
    assert str(one) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f"the pipeline is empty\n{WRITE}"),
        ("  ", f"malformed pipeline at character 0: '  '\n{WRITE}"),
        ("lower,,lower", f"malformed pipeline at character 6: ',lower'\n{WRITE}"),
        ("lower lower", f"malformed pipeline at character 0: 'lower lower'\n{WRITE}"),
        ("lower{steps=8", f"malformed pipeline at character 0: 'lower{{steps=8'\n{WRITE}"),
        ("lower}", f"malformed pipeline at character 0: 'lower}}'\n{WRITE}"),
        ("Lower", f"malformed pipeline at character 0: 'Lower'\n{WRITE}"),
        ("lower{steps}", "pass 'lower': option 'steps' has no value"),
        (
            "lower{speed=8}",
            "pass 'lower': has no option 'speed'\nhint: its options are coding, steps, hysteresis, "
            "events, schedule, eta, decay, delay, scale, inputs, levels",
        ),
        (
            "fuse-affine{steps=8}",
            "pass 'fuse-affine': has no option 'steps'\nhint: its options are none",
        ),
        ("lower{steps=many}", "pass 'lower': option steps='many' must be a whole number"),
        ("lower{steps=}", "pass 'lower': option steps='' must be a whole number"),
        ("lower{steps=1.5}", "pass 'lower': option steps='1.5' must be a whole number"),
        ("example{share=half}", "pass 'example': option share='half' must be a number"),
        ("example{loud=yes}", "pass 'example': option loud='yes' must be true or false"),
        (
            "quantise-activations{range=all}",
            "pass 'quantise-activations': option range='all' must be one of neuron, layer",
        ),
    ],
)
def test_bad_pipeline(text, message):
    assert refusal(text) == message


def test_a_long_malformed_pipeline_is_cut():
    assert refusal("!" * 50) == f"malformed pipeline at character 0: {'!' * 20!r}\n{WRITE}"


def test_unknown_pass():
    assert refusal("fuse") == "'fuse': unknown pass\nhint: known are " + ", ".join(PASSES)


@pytest.mark.parametrize("name", [name for name in PASSES if name != "example"])
def test_every_pass_in_the_table(name):
    cls = pass_class(name)
    assert cls.name == name
    assert cls.accepts
    assert cls.of({}) == cls()
    assert str(cls()) == name


def test_options_for_listings():
    assert pass_class("example").options() == [
        "count=1",
        "share=0.5",
        "loud=False",
        "word=",
        "two_words=0",
        "kind=plain",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "quantise-activations{levels=1}",
        "quantise-activations{levels=-5}",
        "split-thresholds{units=0}",
        "split-thresholds{margin=-0.6}",
        "balance-thresholds{method=percentile,percentile=200}",
        "balance-thresholds{steps=0}",
        "quantise-activations,calibrate-light{points=0}",
    ],
)
def test_options_that_make_no_sense(text):
    """They are refused with one of pinnir's own errors, when they are read or when they run."""
    with pytest.raises(PinnirError):
        PassManager(parse_pipeline(text)).run(GRAPH, context(GRAPH))


# running


def test_run_applies_all_passes_and_calls_observers():
    seen = []
    manager = PassManager(
        parse_pipeline("example,quantise-activations{levels=8}"),
        (lambda *event: seen.append(event),),
    )
    after = manager.run(GRAPH, context(GRAPH))
    assert after.level is Level.STAIRCASE
    assert [str(event[0]) for event in seen] == ["example", "quantise-activations{levels=8}"]
    assert seen[0][1] is GRAPH
    assert seen[0][2] is seen[1][1]
    assert seen[1][2] is after
    assert all(event[3] >= 0 for event in seen)


def test_wrong_level():
    manager = PassManager(parse_pipeline("example,legalise"))
    with pytest.raises(PipelineError) as caught:
        manager.run(GRAPH, context(GRAPH))
    assert str(caught.value) == (
        "pass 'legalise': takes a spiking graph, not a tensor graph\n"
        "hint: check the order of the pipeline"
    )
    assert caught.value.__notes__ == ["in pass legalise after example"]


def test_wrong_level_of_a_pass_that_takes_several():
    with pytest.raises(PipelineError) as caught:
        PassManager(parse_pipeline("calibrate-light")).run(GRAPH, context(GRAPH))
    assert str(caught.value) == (
        "pass 'calibrate-light': takes a staircase or spiking graph, not a tensor graph\n"
        "hint: check the order of the pipeline"
    )


def test_a_pass_that_breaks_a_rule():
    seen = []
    manager = PassManager(
        (Example(count=2), Example(kind="broken")), (lambda *event: seen.append(event),)
    )
    with pytest.raises(GraphError) as caught:
        manager.run(GRAPH, context(GRAPH))
    assert str(caught.value) == "Affine 'same': has the name of another node"
    assert caught.value.__notes__ == ["in pass example{kind=broken} after example{count=2}"]
    assert len(seen) == 1


def test_a_broken_graph_is_refused_before_the_first_pass():
    broken = Example(kind="broken").apply(GRAPH, context(GRAPH))
    with pytest.raises(GraphError) as caught:
        PassManager((Example(),)).run(broken, context(GRAPH))
    assert not hasattr(caught.value, "__notes__")


def test_no_passes():
    assert PassManager(()).run(GRAPH, context(GRAPH)) is GRAPH


def test_the_first_pass_comes_after_the_frontend():
    with pytest.raises(GraphError) as caught:
        PassManager((Example(kind="broken"),)).run(GRAPH, context(GRAPH))
    assert caught.value.__notes__ == ["in pass example{kind=broken} after the frontend"]


def test_the_base_pass_does_nothing():
    with pytest.raises(NotImplementedError):
        Pass().apply(GRAPH, context(GRAPH))


# context

BOX = Domain(("x", "t"), np.array([-2.0, 0.0]), np.array([3.0, 0.5]))


@given(count=st.integers(16, 600), round_=st.integers(0, 5), seed=st.integers(0, 2**31))
def test_fresh_points_cover_the_domain_and_its_faces(count, round_, seed):
    where = replace(context(GRAPH, seed=seed), domain=BOX)
    found = where.fresh(count, round_)
    assert found.shape == (count, 2)
    assert np.all((found >= BOX.low) & (found <= BOX.high))
    on_faces = ((found == BOX.low) | (found == BOX.high)).any(axis=1)
    assert 1 <= on_faces.sum() <= count // 8
    assert np.all(np.ptp(found, axis=0) > 0.7 * (BOX.high - BOX.low))
    np.testing.assert_array_equal(where.fresh(count, round_), found)
    other = where.fresh(count, round_ + 1)
    assert len(np.unique(np.concatenate([found, other])[:, 0])) > 1.7 * count


def test_fresh_points_without_a_domain_are_calibration_points():
    where = context(GRAPH, samples=64)
    found = where.fresh(256, 0)
    assert found.shape == (256, 2)
    assert {*map(tuple, found)} <= {*map(tuple, where.calibration)}
    assert len(np.unique(found, axis=0)) > 50
    assert np.any(found != where.fresh(256, 1))


def test_the_key_of_a_state():
    """It is another one for another pass, seed, domain, or set of points."""
    where = replace(context(GRAPH), domain=BOX)
    own = where.key(str(Example()))
    assert own == replace(context(GRAPH), domain=BOX).key(str(Example()))
    moved = Domain(BOX.columns, BOX.low, BOX.high + 1)
    others = [
        where.key(str(Example(count=2))),
        replace(where, seed=1).key(str(Example())),
        replace(where, domain=moved).key(str(Example())),
        replace(where, calibration=where.calibration[1:]).key(str(Example())),
    ]
    assert len({own, *others}) == 5


def test_layers_are_those_of_the_last_pass_that_trained():
    seen = []

    @dataclass(frozen=True)
    class Train(Example):
        retrains = True

        def apply(self, graph: Graph, context: Context) -> Graph:
            seen.append((context.source, context.retrained, context.layers))
            return graph.rewrite(lambda node: node)

    where = context(GRAPH)
    first, second = Train(), Example()
    after = PassManager((first, second, Train())).run(GRAPH, where)
    assert seen[0] == (GRAPH, None, GRAPH)
    source, retrained, layers = seen[1]
    assert source is GRAPH
    assert retrained is layers is not GRAPH
    assert after is not retrained

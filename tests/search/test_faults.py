"""A fault in one family of programs: the others are compiled, and the fault is told."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

import pinnir
from pinnir.base.errors import DomainError, GraphError
from pinnir.cli.app import main
from pinnir.passes.calibration.refit import Refit
from pinnir.passes.lowering.lower import Lower
from pinnir.search import compile as driver
from pinnir.search.faults import FamilyError, faults_of
from tests.backends.networks import DOMAIN, mlp, model
from tests.helpers import save

SMALL = model(mlp(0, (2, 6, 1)))
WHY = "internal error: RuntimeError: it broke"


def broken(graph, context):
    raise RuntimeError("it broke\nin two lines")


def breaking(monkeypatch, *kinds, how=broken):
    for kind in kinds:
        monkeypatch.setattr(kind, "apply", lambda self, graph, context: how(graph, context))


def compiled(folder, *more):
    save(folder, mlp(0, (2, 6, 1)))
    paths = (folder / "model.onnx", "--domain", DOMAIN, "-o", folder / "out.nir", "--effort", 1)
    return CliRunner().invoke(main, [str(one) for one in ("compile", *paths, *more)])


def test_one_family(monkeypatch):
    breaking(monkeypatch, Refit)
    found = pinnir.compile(SMALL, DOMAIN, rtol=5e-2, effort=1)
    assert found.frontier.left_out["population-refitted"] == WHY
    assert found.frontier.faults == ("population-refitted",)
    assert found.metrics["rel_l2_upper"] <= 5e-2


def test_a_pass_that_breaks_a_rule(monkeypatch):
    def twice(graph, context):
        first, *_ = (node for node in graph.nodes if node.in_core)
        end = graph.outputs[0]
        return replace(graph, outputs=(replace(end, name=first.name),))

    breaking(monkeypatch, Refit, how=twice)
    found = pinnir.compile(SMALL, DOMAIN, rtol=5e-2, effort=1)
    why = found.frontier.left_out["population-refitted"]
    assert why.startswith("internal error: GraphError: Affine ")
    assert why.endswith("has the name of another node")


def test_all_families(monkeypatch):
    breaking(monkeypatch, Lower)
    with pytest.raises(FamilyError) as caught:
        pinnir.compile(SMALL, DOMAIN, rtol=5e-2, effort=1)
    text = str(caught.value)
    assert text.startswith("family population-refitted, pipeline fold-constants,")
    assert text.endswith(",legalise: RuntimeError: it broke\nin two lines")
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_what_was_chosen_cannot_be_built(monkeypatch):
    seen = []

    def build(job, candidate, *arguments, **options):
        seen.append(candidate.family)
        if len(seen) == 1:
            raise RuntimeError("it broke")
        return built(job, candidate, *arguments, **options)

    built = driver.build
    monkeypatch.setattr(driver, "build", build)
    found = pinnir.compile(SMALL, DOMAIN, rtol=5e-2, effort=1)
    assert len(seen) >= 2
    assert seen[0] not in seen[1:]
    assert found.frontier.faults == (seen[0],)


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
def test_what_ends_everything(monkeypatch, error):
    def how(graph, context):
        raise error

    breaking(monkeypatch, Refit, how=how)
    with pytest.raises(error):
        pinnir.compile(SMALL, DOMAIN, rtol=5e-2, effort=1)


def test_a_fixed_program_keeps_its_error(monkeypatch):
    breaking(monkeypatch, Lower)
    with pytest.raises(RuntimeError, match="it broke"):
        pinnir.compile(SMALL, DOMAIN, levels=8)


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_the_command_line_names_the_family(tmp_path, monkeypatch, more):
    breaking(monkeypatch, Refit)
    result = compiled(tmp_path, "--rtol", "5e-2", *more)
    assert result.exit_code == 0
    assert result.stderr == (
        f"warning: left out: population-refitted: {WHY}\n"
        "this is a bug in pinnir; please report it\n"
    )
    if more:
        assert json.loads(result.stdout)["frontier"]["left_out"]["population-refitted"] == WHY


def test_the_command_line_where_no_tolerance_was_reached(tmp_path, monkeypatch):
    breaking(monkeypatch, Refit)
    result = compiled(tmp_path, "--rtol", "1e-9", "--coding", "population")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"warning: left out: population-refitted: {WHY}\n")
    assert "the tolerance 1e-09 was not reached" in result.stderr


def test_the_command_line_where_nothing_is_left(tmp_path, monkeypatch):
    breaking(monkeypatch, Lower)
    result = compiled(tmp_path)
    assert result.exit_code == 3
    assert result.stderr.startswith(
        "internal error: FamilyError: family population-refitted, pipeline fold-constants,"
    )
    assert "this is a bug in pinnir" in result.stderr
    assert not (tmp_path / "out.nir").exists()


@pytest.mark.parametrize("given", ["progress", "observers"])
def test_what_the_caller_raises_ends_the_search(given):
    class EnoughError(Exception):
        pass

    def stop(*arguments):
        raise EnoughError

    with pytest.raises(EnoughError):
        pinnir.compile(
            SMALL, DOMAIN, rtol=5e-2, **{given: stop if given == "progress" else [stop]}, effort=1
        )


def test_which_errors_are_faults():
    for error in (ValueError("no"), GraphError("no"), AssertionError()):
        with pytest.raises(FamilyError), faults_of("rate"):
            raise error
    inner = FamilyError("rate", "lower", ValueError("no"))
    for error in (inner, DomainError("no"), MemoryError()):
        with pytest.raises(type(error)) as caught, faults_of("other"):
            raise error
        assert caught.value is error
    assert inner.why == "internal error: ValueError: no"

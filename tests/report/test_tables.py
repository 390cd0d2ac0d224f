"""Tables for the terminal."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec import structs

from pinnir.base.errors import PipelineError
from pinnir.ir.printing import diff
from pinnir.program.program import Program, RunResult
from pinnir.report.tables import (
    make_table,
    pass_diffs,
    pass_rows,
    print_passes,
    print_program,
    print_run,
)
from tests.backends.networks import small_program


@pytest.fixture
def program() -> Program:
    return small_program()


@pytest.fixture
def result(program: Program) -> RunResult:
    return program.run(program.domain.sample(64, 0))


def cells(text: str) -> dict[str, str]:
    """Second cell of every table row by the first."""
    rows = [line.split("│") for line in text.splitlines() if line.startswith("│")]
    return {row[1].strip(): row[2].strip() for row in rows}


def test_program_table(capsys, program):
    print_program(program, Path("p.nir"), 1.26)
    text = capsys.readouterr().out
    told, metrics = cells(text), program.metrics
    assert "p.nir: population program for nir" in text
    assert told["relative L2 error against the network"] == f"{metrics['rel_l2']:.3e}"
    assert told["largest absolute error"] == f"{metrics['max_abs']:.3e}"
    assert told["levels per neuron"] == "16"
    assert told["neurons / synapses"] == f"{metrics['neurons']:,} / {metrics['synapses']:,}"
    assert told["time steps"] == "1"
    assert told["spikes per activation"] == f"{metrics['spikes_per_activation']:.2f}"
    assert told["share of the network's MACs that spikes"] == "100.0%"
    assert told["seconds"] == "1.3"
    energy = told["energy per point at 45 nm (the network's)"]
    assert energy.endswith(f"{metrics['energy_ratio']:.2f} x")
    assert f"{metrics['energy_45nm_pj'] / 1e3:,.1f} nJ" in energy


def test_program_table_with_tolerance_and_reference(capsys, program):
    metrics = program.metrics | {"rel_l2_reference": 0.125, "source_rel_l2_reference": 0.0625}
    manifest = program.manifest | {"rtol": 0.1, "metrics": metrics}
    print_program(replace(program, manifest=manifest), Path("p.nir"), 1.0)
    told = cells(capsys.readouterr().out)
    assert "error of the worst output relative to its variation (asked: 0.1)" in told
    assert told["relative L2 error against the reference"] == "1.250e-01"
    assert told["the network's own error against the reference"] == "6.250e-02"


def test_run_table(capsys, program, result):
    print_run(program, result, 0.5, [Path("f.npz"), Path("f.png")])
    text = capsys.readouterr().out
    told = cells(text)
    assert "64 points on fast" in text
    assert told["points per second"] == "128"
    assert told["relative L2 error against the network"] == f"{result.metrics['rel_l2']:.3e}"
    assert text.rstrip().endswith("written: f.npz, f.png")


def test_run_table_without_the_source(capsys, program):
    bare = replace(program, source=None)
    result = bare.run(program.domain.sample(64, 0))
    print_run(program, result, 0.5, [Path("f.npz")])
    told = cells(capsys.readouterr().out)
    assert "relative L2 error against the network" not in told
    assert "neurons / synapses" in told


@pytest.mark.parametrize("name", ["a[b].nir", "a[/b].nir", "[red]x.nir", "a:fire:.nir"])
def test_paths_are_printed_as_they_are(capsys, name, program, result):
    """What looks like markup in a path is none."""
    print_run(program, result, 0.5, [Path(name)])
    assert f"written: {name}" in capsys.readouterr().out
    print_program(program, Path(name), 1.0)
    assert f"{name}: population program" in capsys.readouterr().out
    print_passes(program, Path(name))
    assert f"{name}: what each pass did" in capsys.readouterr().out


def test_long_paths_are_printed_whole_in_a_pipe(capsys, program, result):
    path = Path("folder" * 30 + ".nir")
    print_run(program, result, 0.5, [path])
    assert f"written: {path}\n" in capsys.readouterr().out


def test_pass_rows(program):
    rows = pass_rows(program)
    assert [row["pass"] for row in rows] == [record.call for record in program.passes]
    assert [row["seconds"] for row in rows] == list(program.seconds)
    assert rows[-1]["neurons"] == program.metrics["neurons"]
    assert rows[-1]["synapses"] == program.metrics["synapses"]
    for before, after in pairwise(rows):
        assert after["error_before"] == before["error_after"]
    unknown = pass_rows(replace(program, seconds=()))
    assert [row["seconds"] for row in unknown] == [None] * len(rows)


def test_pass_table(capsys, program):
    print_passes(program, Path("p.nir"))
    text = capsys.readouterr().out
    assert "p.nir: what each pass did" in text
    for number, record in enumerate(program.passes, 1):
        (line,) = [line for line in text.splitlines() if f" {record.call} " in line]
        found = [cell.strip() for cell in line.strip("│").split("│")]
        assert found[0] == str(number)
        assert found[2] == f"{program.seconds[number - 1]:.3f}"
        assert found[3:5] == [f"{record.neurons:,}", f"{record.synapses:,}"]
        assert found[5:] == [f"{record.error_before:.3e}", f"{record.error_after:.3e}"]
    assert "errors: relative L2 against the network" in text


def test_pass_table_with_unknown_seconds(capsys, program):
    print_passes(replace(program, seconds=()), Path("p.nir"))
    assert capsys.readouterr().out.count("unknown") == len(program.passes)


def test_long_calls_are_printed_whole_in_a_pipe(capsys, program):
    call = "quantise-activations{levels=1024,range=layer,margin=0.0125,rounding=nearest,more=no}"
    passes = (structs.replace(program.passes[0], call=call), *program.passes[1:])
    print_passes(replace(program, passes=passes), Path("p.nir"))
    assert call in capsys.readouterr().out


def test_pass_diffs(program):
    names = [record.name for record in program.passes]
    number = names.index("lower")
    (found,) = pass_diffs(program, "lower")
    assert (found["pass"], found["call"]) == ("lower", program.passes[number].call)
    assert found["diff"] == diff(program.passes[number - 1].text, program.passes[number].text)
    assert "+graph level=spiking" in found["diff"]
    assert pass_diffs(program, str(number + 1)) == [found]
    (first,) = pass_diffs(program, "1")
    assert first["diff"] == diff(program.initial, program.passes[0].text)


def test_pass_diffs_of_a_pass_that_ran_twice(program):
    twice = replace(program, passes=(*program.passes, program.passes[-1]))
    found = pass_diffs(twice, "legalise")
    assert len(found) == 2
    assert found[1]["diff"] == ""


@pytest.mark.parametrize("name", ["split-signs", "0", "99", ""])
def test_pass_that_did_not_run(name, program):
    with pytest.raises(PipelineError) as caught:
        pass_diffs(program, name)
    ran = ", ".join(record.name for record in program.passes)
    where = f"pass '{name}'" if name else "pass"
    assert str(caught.value) == f"{where}: did not run in this program\nhint: these ran: {ran}"


def test_columns_are_flush_right_but_for_those_that_are_named():
    table = make_table("title", ("name", "count"), left=("name",), overflow="fold")
    assert [(c.header, c.justify) for c in table.columns] == [("name", "left"), ("count", "right")]
    assert {c.overflow for c in table.columns} == {"fold"}
    assert str(table.title) == "title"
    assert make_table(None, (), left=()).title is None

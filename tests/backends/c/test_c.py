"""C99: written, compiled with all warnings and sanitizers, run, compared event by event."""

from __future__ import annotations

import json
import shutil
import subprocess

import numpy as np
import pytest
from click.testing import CliRunner

import pinnir
from pinnir.backends.c import verify as run
from pinnir.backends.c.write import write
from pinnir.backends.export import export
from pinnir.backends.exported_parts import narrowest
from pinnir.backends.verify import Comparison, verify
from pinnir.base.errors import BackendError, LegalizeError
from pinnir.base.targets import TARGETS
from pinnir.cli.app import main
from pinnir.codings.delta import DeltaCoding
from pinnir.passes import pipelines
from tests.integer_programs import PIPELINES, program
from tests.networks import family

NO_ARM = [tool for tool in run._ARM if shutil.which(tool) is None]
on_a_board = pytest.mark.skipif(bool(NO_ARM), reason=f"not installed: {', '.join(NO_ARM)}")


@pytest.mark.parametrize("coding", PIPELINES)
@pytest.mark.parametrize("name", ["resnet", "spinn"])
def test_events_and_outputs_are_equal(name, coding):
    found = verify(program(name, coding), "c", 40).comparison
    assert found.equal
    assert found.events > 400


@pytest.mark.parametrize(
    ("name", "coding"),
    [
        ("skip", "delta"),
        ("piratenet", "population"),
        ("constrained_fourier", "delta"),
        ("mionet", "rate"),
        ("pfnn", "delta"),
    ],
)
def test_activations_that_fall_several_inputs_and_many_cores(name, coding):
    assert verify(program(name, coding), "c", 12).comparison.equal


def test_a_changed_weight_is_noticed(monkeypatch):
    made = program("resnet", "population")
    honest = run.write

    def forged(program):
        files = honest(program)
        text = files["network.c"].decode()
        start = text.index("static const int8_t core_3_w")
        place = text.index("{", start) + 1
        end = text.index(",", place)
        changed = text[:place] + f"\n    {int(text[place:end]) ^ 64}" + text[end:]
        return files | {"network.c": changed.encode()}

    monkeypatch.setattr(run, "write", forged)
    with pytest.raises(BackendError, match="make --quiet stream check failed"):
        run.on_host(made, made.domain.sample(16, 0))


def test_a_difference_beyond_the_samples_is_counted(monkeypatch):
    made = program("resnet", "delta")
    honest = run._streamed

    def forged(folder, number, seen):
        told = bytearray(honest(folder, number, seen))
        told[0] ^= 1
        return bytes(told)

    monkeypatch.setattr(run, "_streamed", forged)
    found = run.on_host(made, made.domain.sample(16, 0)).comparison
    assert (found.differing, found.outputs) == (1, 0)


def test_the_export_checks_itself(tmp_path):
    made = program("spinn", "rate")
    files = export(made, "c", tmp_path / "out")
    assert {"network.c", "spiking.c", "check.c", "samples.h", "README.md"} <= {
        path.name for path in files
    }
    command = ["make", "--quiet", "check"]
    done = subprocess.run(command, cwd=tmp_path / "out", capture_output=True, text=True, check=True)
    assert "0 differ; 0 outputs differ" in done.stdout
    told = json.loads((tmp_path / "out" / "program.json").read_text())
    assert [part.get("function") for part in told["segments"] if "function" in part] == [
        "core_3_run",
        "core_5_run",
    ]


def test_the_same_program_gives_the_same_files():
    made = program("resnet", "delta")
    assert write(made) == write(made)


def test_no_float_and_no_allocation():
    for name, data in write(program("resnet", "rate")).items():
        if name in ("network.c", "network.h", "spiking.c", "spiking.h"):
            for word in (b"float", b"double", b"malloc"):
                assert word not in data.replace(b"floating point", b""), name


def test_tables_are_narrow():
    bits = {0: 8, 127: 8, -128: 8, 128: 16, 2**15 - 1: 16, 2**15: 32, -(2**31): 32}
    assert {value: narrowest(np.array([value])) for value in bits} == bits


def test_programs_without_integers():
    plain = pinnir.compile(family("resnet"), "-1:1", levels=6)
    with pytest.raises(LegalizeError, match="takes numbers that are not whole"):
        write(plain)


def test_options_without_a_form():
    integers = TARGETS["c"].integers
    assert integers is not None
    pipeline = pipelines.in_integers(pipelines.delta(12, DeltaCoding(hysteresis=0.25)), integers)
    made = pinnir.compile(family("resnet"), "-1:1", target="c", pipeline=pipeline)
    with pytest.raises(LegalizeError, match="has hysteresis or graded events"):
        write(made)


def test_tools_that_are_missing(monkeypatch, tmp_path):
    made = program("resnet", "rate")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackendError) as caught:
        verify(made, "c", 4)
    assert str(caught.value) == (
        "cc, make is not installed\nhint: install a C compiler; on Debian: apt install gcc make"
    )
    with pytest.raises(BackendError, match="apt install gcc-arm-none-eabi"):
        verify(made, "cortex-m4", 4)
    made.save(tmp_path / "p.nir")
    result = CliRunner().invoke(main, ["verify", str(tmp_path / "p.nir"), "--target", "c"])
    assert result.exit_code == 2


def test_command(tmp_path):
    program("resnet", "delta").save(tmp_path / "p.nir")
    command = ["verify", str(tmp_path / "p.nir"), "--target", "c", "--points", "20"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0
    assert "events that differ" in result.output
    told = json.loads(CliRunner().invoke(main, [*command, "--json"]).output)
    assert told["comparison"]["differing"] == 0
    assert told["comparison"]["events"] > 0


@on_a_board
@pytest.mark.parametrize("coding", ["population", "delta", "rate"])
def test_cortex_m4(coding):
    report = verify(program("resnet", coding), "cortex-m4", 16)
    assert report.comparison == Comparison(report.comparison.events, 0, 0)
    assert report.figures["instructions"] > 1000
    assert report.figures["flash_bytes"] > report.figures["ram_bytes"] > 0
    if coding == "delta":
        assert report.figures["instructions"] < report.figures["instructions_plain"]

"""pinnir inspect --place: the table, JSON, the picture, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pinnir.base.chips import Chip, find_chip
from pinnir.cli.app import main
from pinnir.program.placing import place_program
from pinnir.report.placement import placement_row, plot_placement
from tests.backends.networks import small_program

SMALL = Chip(
    "small",
    "a chip",
    cores_per_chip=16,
    neurons_per_core=12,
    axons_in=90,
    synapse_memory_bits=8 * 500,
    axons_out=90,
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("p.nir").write_bytes(small_program().to_bytes())
    return tmp_path


def inspect(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["inspect", "p.nir", *map(str, arguments)])


def test_table(folder):
    found = inspect("--place", "loihi1", "--chips", 2)
    assert found.exit_code == 0, found.stderr
    lines = [line.strip("│ ").split("│") for line in found.stdout.splitlines()]
    rows = {row[0].strip(): row[-1].strip() for row in lines}
    placement, held = place_program(small_program(), find_chip("loihi1"), 2)
    assert "p.nir on 2 x loihi1" in found.stdout
    assert rows["cores in use"] == "1 of 256"
    assert rows["synapses, flattened of 8 bits"] == f"{held.synapses.sum():,}"
    assert rows["messages between cores per inference (packed greedily: 0.0)"] == "0.0"
    assert rows["local spikes per inference"] == f"{held.local:,.1f}"
    assert rows["0"] == "1 to 4"
    assert placement.used == 1


def test_json(folder):
    told = json.loads(inspect("--place", "loihi1", "--json").stdout)
    placement, held = place_program(small_program(), find_chip("loihi1"))
    assert told == json.loads(json.dumps(placement_row(placement, held)))
    assert (told["chip"], told["cores_used"], told["cores"]) == ("loihi1", 1, 128)
    (core,) = told["per_core"]
    assert core["neurons"] == sum(n for runs in told["populations"].values() for _, n in runs)
    assert told["fill"]["neurons"]["largest"] == core["neurons"] / 1024


def test_what_rows_say_of_several_cores():
    placement, held = place_program(small_program(), SMALL)
    row = placement_row(placement, held)
    assert len(row["per_core"]) == row["cores_used"] > 4
    assert sum(core["sent"] for core in row["per_core"]) == pytest.approx(row["messages"])
    assert sum(core["received"] for core in row["per_core"]) == pytest.approx(row["messages"])
    assert set(row["fill"]) == {"neurons", "synapse memory", "axons in", "axons out"}
    assert all(fill["mean"] <= fill["largest"] <= 1 for fill in row["fill"].values())


@pytest.mark.parametrize("coding", ["population", "delta"])
def test_picture(tmp_path, coding):
    program = small_program(coding)
    chip = SMALL if coding == "population" else find_chip("loihi2")
    placement, held = place_program(program, chip)
    for name in ("a.png", "b.png"):
        plot_placement(tmp_path / name, placement, held, program)
    picture = (tmp_path / "a.png").read_bytes()
    assert picture.startswith(b"\x89PNG") and picture == (tmp_path / "b.png").read_bytes()


def test_picture_from_the_command_line(folder):
    found = inspect("--place", "loihi1", "--figure", "p.pdf")
    assert found.exit_code == 0 and (folder / "p.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--place", "loihi1", "--errors"), "give either --errors, --pass or --place"),
        (("--place", "loihi1", "--pass", "lower"), "give either --errors, --pass or --place"),
        (("--figure", "p.png"), "--figure is a picture of --place"),
        (("--place", "loihi1", "--chips", 0), "0 is not in the range 1<=x<=1024"),
        (("--place", "abacus"), "unknown chip"),
        (("--place", "loihi1", "--figure", "p.txt"), "'txt' is no picture format"),
    ],
)
def test_bad_input(folder, arguments, message):
    found = inspect(*arguments)
    assert found.exit_code == 2
    assert message in found.stderr
    assert [path.name for path in folder.iterdir()] == ["p.nir"]

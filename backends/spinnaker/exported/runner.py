"""Map the networks of this folder onto a virtual SpiNNaker board, and check the memory image.

    pip install 'sPyNNaker==1!7.4.1'
    python runner.py [--output IMAGE.npz]

sPyNNaker partitions, places and routes every network and makes the memory image of every core.
No board is needed, and nothing is executed. The image is decoded: initial potentials, currents,
thresholds and reset potentials of every unit, and the weight and delay of every synapse, by its
source and its target. They are compared with what the network file says; exit code 1 if anything
differs. With --output the decoded image is written as arrays instead, with the counts.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sqlite3
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
UNIT = 2.0**-15
# Of the largest sum that a shift is meant for: sPyNNaker takes the next power of two.
SHARE = 0.75
NEURON_PARAMS, SYNAPSE_PARAMS, POPULATION_TABLE, SYNAPTIC_MATRIX = 2, 4, 5, 6
HEADER = 3  # words before the synapses of a row
CONFIGURATION = """[Machine]
virtual_board = True
version = 5
[Java]
use_java = False
[Mode]
mode = Debug
[Reports]
write_network_graph = False
"""


def build(sim: Any, told: Any, data: Any) -> dict[str, Any]:
    """The network as PyNN populations and projections."""
    made = {}
    for group in told["groups"]:
        name = group["name"]
        offset, threshold = (
            (data[f"{name}/{key}"] * UNIT).tolist() for key in ("offset", "threshold")
        )
        reset, sums = group["reset"] * UNIT, [SHARE * 2.0 ** group["shift"]] * 2
        own = {"i_offset": offset, "v_reset": reset, "v_thresh": threshold}
        cell = sim.extra_models.IFTruncDelta(tau_m=1.0, cm=1.0, tau_refrac=0.0, **own)
        made[name] = one = sim.Population(
            len(threshold), cell, label=name, max_expected_summed_weight=sums
        )
        one.initialize(v=(data[f"{name}/sample"] * UNIT).tolist())
    for number, one in enumerate(told["synapses"]):
        for sign, receptor in ((1, "excitatory"), (-1, "inhibitory")):
            # By source, then by target: sPyNNaker finds the longest row of such lists alone.
            weight = data[f"synapses/{number}"].T * sign
            source, to = np.nonzero(weight > 0)
            if len(to):
                chosen = weight[source, to] * UNIT
                rows = np.column_stack([source, to, chosen, np.full(len(to), one["delay"])])
                ends = made[one["source"]], made[one["target"]]
                sim.Projection(*ends, sim.FromListConnector(rows), receptor_type=receptor)
    return made


class Image:
    """The memory image that sPyNNaker made, core by core."""

    def __init__(self, made: dict[str, Any]) -> None:
        from spynnaker.pyNN.data import SpynnakerDataView as View

        self.database = sqlite3.connect(View.get_ds_database_path())
        self.cores: dict[str, list[tuple[int, int, tuple[int, int, int]]]] = {}
        self.keys: dict[int, str] = {}
        keys = list(View.get_routing_infos())
        for name, population in made.items():
            vertex = population._vertex
            self.cores[name] = []
            for part in vertex.machine_vertices:
                place, atoms = View.get_placement_of_vertex(part), part.vertex_slice
                core = (place.x, place.y, place.p)
                self.cores[name].append((atoms.lo_atom, atoms.n_atoms, core))
            self.keys |= {one.key: name for one in keys if one.vertex is vertex}

    def words(self, core: tuple[int, int, int], region: int) -> Any:
        """A region of a core's memory as 32-bit words."""
        query = "SELECT content FROM region WHERE x=? AND y=? AND p=? AND region_num=?"
        (content,) = self.database.execute(query, (*core, region)).fetchone()
        return np.frombuffer(content or b"", "<u4")

    def units(self, name: str) -> dict[str, Any]:
        """Potentials, currents, thresholds and resets of a population, ``(units,)``."""
        found: dict[str, list[Any]] = {
            key: [] for key in ("potential", "offset", "threshold", "reset")
        }
        for _, count, core in sorted(self.cores[name]):
            words = self.words(core, NEURON_PARAMS).view("<i4")
            # Steps a millisecond; V, cm, tau_m, I, V_reset, tau_refrac, timer, millisecond of
            # every unit; the millisecond again; thresholds; synapses' own state.
            neurons = words[1 : 1 + 8 * count].reshape(count, 8)
            fixed = [1 << 15, 1 << 15, 0, 0, 1 << 15]
            if words[0] != 1 or np.any(neurons[:, [1, 2, 5, 6, 7]] != fixed):
                sys.exit(f"{name}: the image holds other parameters than the network")
            found["potential"].append(neurons[:, 0])
            found["offset"].append(neurons[:, 3])
            found["reset"].append(neurons[:, 4])
            found["threshold"].append(words[1 + 9 * count : 1 + 10 * count])
        return {key: np.concatenate(value).astype(np.int64) for key, value in found.items()}

    def synapses(self, name: str, shift: int, sizes: dict[str, int]) -> dict[str, Any]:
        """Weights and delays that reach a population, by source and receptor type."""
        found: dict[str, Any] = {}
        for first, count, core in self.cores[name]:
            told = self.words(core, SYNAPSE_PARAMS)
            if np.any(told[-2:] != shift):
                sys.exit(f"{name}: sPyNNaker shifts the weights by {told[-2:]}, not {shift}")
            bits = (int(told[2]), int(told[3]))
            for source, rows in self.rows(core):
                for row, synapses in enumerate(rows):
                    self.decode(found, source, row, synapses, bits, first, (sizes[name], sizes))
            assert count <= 1 << bits[0]
        return found

    def decode(
        self, found: Any, source: str, row: int, words: Any, bits: Any, first: int, sizes: Any
    ) -> None:
        """Put the synapses of a row where they belong."""
        index_bits, type_bits = bits
        target = first + (words & ((1 << index_bits) - 1)).astype(np.int64)
        kind = (words >> index_bits) & ((1 << type_bits) - 1)
        delay = (words >> (index_bits + type_bits)) & ((1 << (16 - index_bits - type_bits)) - 1)
        shape = (sizes[0], sizes[1][source])
        for inhibitory in (0, 1):
            own = kind == inhibitory
            key = f"{source}/{inhibitory}"
            if own.any():
                weights, delays = found.setdefault(
                    key, (np.zeros(shape, np.int64), np.zeros(shape, np.int64))
                )
                # Synapses of the same place would add up.
                np.add.at(weights, (target[own], row), words[own] >> 16)
                delays[target[own], row] = delay[own]

    def rows(self, core: tuple[int, int, int]) -> Any:
        """Rows of the synaptic matrices of a core: source population, synapses of its units."""
        table, matrix = self.words(core, POPULATION_TABLE), self.words(core, SYNAPTIC_MATRIX)
        entries, addresses = int(table[0]), table[2 + 5 * int(table[0]) :]
        for key, _, start, _, _ in table[2 : 2 + 5 * entries].reshape(entries, 5):
            source = self.keys[int(key)]
            units = max(first + count for first, count, _ in self.cores[source])
            for entry in addresses[int(start) & 0x1FFF :][: int(start) >> 16]:
                length, place = (int(entry) & 0xFF) + 1 + HEADER, (int(entry) >> 8) * 4
                block = matrix[place : place + length * units].reshape(units, length)
                yield source, [row[HEADER : HEADER + int(row[1])] for row in block]


def check(told: Any, data: Any, image: Image) -> tuple[dict[str, Any], dict[str, int]]:
    """The decoded image, and how much of it there is, is wrong, and where it lies."""
    sizes = {group["name"]: len(data[f"{group['name']}/threshold"]) for group in told["groups"]}
    arrays: dict[str, Any] = {}
    counts = {"synapses": 0, "synapses_differing": 0, "parameters": 0, "parameters_differing": 0}
    for group in told["groups"]:
        name = group["name"]
        units = image.units(name)
        wanted = {"potential": data[f"{name}/sample"]}
        wanted |= {key: data[f"{name}/{key}"] for key in ("offset", "threshold")}
        wanted["reset"] = np.full(sizes[name], group["reset"])
        for key, value in units.items():
            arrays[f"{name}/{key}"] = value
            counts["parameters"] += value.size
            counts["parameters_differing"] += int((value != wanted[key]).sum())
        found = image.synapses(name, group["shift"], sizes)
        for key, (weight, delay) in found.items():
            arrays[f"{name}/from/{key}/weight"] = weight
            arrays[f"{name}/from/{key}/delay"] = delay
        compare(told, data, group, found, counts)
    counts["cores"] = sum(len(cores) for cores in image.cores.values())
    return arrays, counts


def compare(told: Any, data: Any, group: Any, found: Any, counts: dict[str, int]) -> None:
    """Count synapses to a population that are not as the network says."""
    name = group["name"]
    left = dict(found)
    for number, one in enumerate(told["synapses"]):
        if one["target"] != name:
            continue
        for sign, kind in ((1, 0), (-1, 1)):
            wanted = np.maximum(data[f"synapses/{number}"].astype(np.int64) * sign, 0)
            wanted >>= group["shift"]
            nothing = (np.zeros_like(wanted), np.zeros_like(wanted))
            weight, delay = left.pop(f"{one['source']}/{kind}", nothing)
            wrong = (weight != wanted) | ((wanted > 0) & (delay != one["delay"]))
            counts["synapses"] += int((wanted > 0).sum())
            counts["synapses_differing"] += int(wrong.sum())
    counts["synapses_differing"] += sum(int((weight > 0).sum()) for weight, _ in left.values())


def map_core(name: str) -> tuple[dict[str, Any], dict[str, int]]:
    """Map one core's network in this process, and decode its image."""
    data = np.load(HERE / f"{name}.npz")
    told = json.loads(bytes(data["told"]))
    import pyNN.spiNNaker as sim  # noqa: N813

    sim.setup(timestep=1.0, min_delay=1.0)
    made = build(sim, told, data)
    sim.run(told["steps"])
    found = check(told, data, Image(made))
    sim.end()
    return found


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    output = options.output.resolve() if options.output else None
    names = sorted(path.stem for path in HERE.glob("core_*.npz"))
    arrays: dict[str, Any] = {}
    counts = {}
    # sPyNNaker reads its configuration from the home folder and writes its reports here.
    with tempfile.TemporaryDirectory() as home:
        os.environ["HOME"] = home
        os.chdir(home)
        (Path(home) / ".spynnaker.cfg").write_text(CONFIGURATION)
        with contextlib.redirect_stdout(sys.stderr):
            for name in names:
                found, counts[name] = map_core(name)
                arrays |= {f"{name}/{key}": value for key, value in found.items()}
        os.chdir(HERE)
    if output:
        np.savez_compressed(output, counts=json.dumps(counts), **arrays)
    print(json.dumps(counts))
    wrong = sum(n for one in counts.values() for key, n in one.items() if "differing" in key)
    sys.exit(1 if wrong and output is None else 0)


if __name__ == "__main__":
    main()

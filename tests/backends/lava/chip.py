"""An export run without Lava: the processes' equations, and synapses that take their time."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np

from pinnir.mapping.integer_cores import Whole

Network = tuple[dict[str, Any], dict[str, Whole]]


def network(files: dict[str, bytes], label: str) -> Network:
    """What an export says of a core."""
    return json.loads(files[f"{label}.json"]), unpacked(files[f"{label}.npz"])


def unpacked(data: bytes) -> dict[str, Whole]:
    with np.load(io.BytesIO(data)) as arrays:
        return {name: array.astype(np.int64) for name, array in arrays.items()}


def simulate(core: Network, inputs: Whole) -> dict[str, Whole]:
    """Events ``(samples, steps, units)`` of every population, and ``outputs``."""
    told, arrays = core
    period, last = told["period"], max(one["depth"] for one in told["populations"])
    steps = len(inputs) * period + last
    values, held = np.diff(inputs, axis=0, prepend=0) if told["streams"] else inputs, 1
    if told["stock"]:
        values, held = np.pad(inputs, ((0, 0), (0, 1)), constant_values=1), told["steps"]
    sent = {"input": np.zeros((steps, values.shape[1]), np.int64)}
    for step in range(held):
        sent["input"][step : len(inputs) * period : period] = values
    units = {one["name"]: Unit(one, arrays) for one in told["populations"]}
    sent |= {name: np.zeros((steps, unit.size), np.int64) for name, unit in units.items()}
    for step in range(steps):
        for name, unit in units.items():
            into = {True: np.zeros(unit.size, np.int64), False: np.zeros(unit.size, np.int64)}
            for one in told["synapses"]:
                if one["target"] == name and step >= one["delay"]:
                    sums = arrays[one["weights"]] @ sent[one["source"]][step - one["delay"]]
                    into[one["constant"]] += np.floor(np.ldexp(sums, one["exponent"])).astype(int)
            if told["stock"]:
                sent[name][step] = unit.lif(step % period == 0, into[False])
            else:
                sent[name][step] = unit.step(step, into[False], into[True])
    found = {}
    for one in told["populations"]:
        own = sent[one["name"]][one["depth"] :][: len(inputs) * period]
        found[one["name"]] = own.reshape(len(inputs), period, -1)[:, : told["steps"]]
    return found | ({"outputs": found["outputs"][:, -1]} if "outputs" in found else {})


class Unit:
    """One population."""

    def __init__(self, told: dict[str, Any], arrays: dict[str, Whole]) -> None:
        self.model, self.settings = told["model"], told["settings"]
        self.own = {name: arrays[f"{told['name']}.{name}"] for name in told["arrays"]}
        self.state = self.own["v" if self.model == "LIF" else "bias"].copy()
        self.size = self.state.size
        self.current, self.level = np.zeros((2, self.size), np.int64)

    def lif(self, begins: bool, arriving: Whole) -> Whole:
        """Lava's LIF without leak; the host sets the potential where a sample begins."""
        self.state = (self.own["v"] if begins else self.state) + arriving
        events = self.state > self.settings["vth"]
        self.state = np.where(events, 0, self.state)
        return events.astype(np.int64)

    def step(self, step: int, arriving: Whole, entering: Whole) -> Whole:
        passed = step - self.settings["depth"]
        if passed < 0:
            return np.zeros(self.size, np.int64)
        if self.model == "DeltaNeurons":
            return self._delta(arriving)
        place = passed % self.settings["period"]
        if place == 0:
            self.current = self.own["bias"] + entering
            self.state = self.own.get("potential", self.own.get("r0", 0 * entering)).copy()
        if place >= self.settings["steps"]:
            return np.zeros(self.size, np.int64)
        return self._spike(arriving + self.current)

    def _delta(self, arriving: Whole) -> Whole:
        self.state = self.state + arriving
        passed = (self.state[:, None] >= self.own["boundaries"]).sum(axis=1)
        before, self.level = self.level, self.own["levels"][np.arange(self.size), passed]
        return self.level - before

    def _spike(self, current: Whole) -> Whole:
        if self.model == "ReadOut":
            self.state = self.settings["keep"] * self.state + current
            return self.state
        if self.model == "ThresholdUnits":
            return (current >= self.own["threshold"]).astype(np.int64)
        self.state = self.state + current
        events = (self.state >= self.own["threshold"]).astype(np.int64)
        self.state = self.state - self.own["threshold"] * events
        return events

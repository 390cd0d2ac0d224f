"""PyNN scripts as files; no simulator is needed."""

from __future__ import annotations

import io
import json

import nir
import numpy as np
import pytest

import pinnir
from pinnir.backends.c.write import write as write_c
from pinnir.backends.export import export
from pinnir.backends.pynn.network import cores_of
from pinnir.backends.pynn.write import write
from pinnir.backends.recording import probe_points, record
from pinnir.base.errors import LegalizeError
from tests.backends.networks import DOMAIN as BOX
from tests.backends.networks import mlp, model, small_program
from tests.backends.pynn.programs import layer, program


@pytest.mark.parametrize("neuron", ["izhikevich", "hodgkin-huxley"])
def test_the_folder_holds_cells_and_what_is_expected(neuron: str) -> None:
    files = write(program(neuron))
    core = np.load(io.BytesIO(files["core_0.npz"]))
    samples = np.load(io.BytesIO(files["samples.npz"]))
    told = json.loads(bytes(core["told"]))
    assert (told["model"], told["integrator"], told["steps"]) == (neuron, "euler", 20)
    assert set(told["rest"]) == set(layer(neuron).model.variables)
    assert samples["core_0/events"].shape == (16, 20, 6)
    assert (core["low"], core["high"]) == layer(neuron).model.drive
    assert b"import pyNN" in files["runner.py"]
    assert files == write(program(neuron))


def test_maps_are_the_programs() -> None:
    """Outputs from recorded spikes, and currents as the layer has them."""
    of = program("izhikevich")
    (core,) = cores_of(of)
    (seen,) = record(of, probe_points(of, 8))
    rates = seen.events[core.population].mean(axis=1)
    weight, bias = core.decode
    np.testing.assert_allclose(rates @ weight.T + bias, seen.outputs, rtol=0, atol=1e-12)
    encoder = layer("izhikevich").encoder
    np.testing.assert_allclose(core.encode[0], np.asarray(encoder.weight), rtol=1e-12)
    np.testing.assert_allclose(core.encode[1], encoder.bias, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("neuron", "message"),
    [
        ("lif", "NIR has a primitive for lif\nhint: use the file itself, or pinnir export"),
        ("fitzhugh-nagumo", "no simulator has fitzhugh-nagumo\nhint: compile with --neuron"),
    ],
)
def test_other_membranes_are_refused_with_the_reason(neuron: str, message: str) -> None:
    with pytest.raises(LegalizeError) as caught:
        write(program(neuron))
    assert str(caught.value).startswith(
        f"{neuron}: PyNN scripts hold Izhikevich and Hodgkin-Huxley neurons; {message}"
    )


def test_programs_without_membranes_are_refused() -> None:
    with pytest.raises(LegalizeError, match="is no model of a membrane"):
        write(small_program("population"))


def test_nir_refuses_membranes_that_it_has_no_primitive_for(tmp_path) -> None:
    with pytest.raises(LegalizeError, match="NIR has no primitive for izhikevich neurons"):
        export(program("izhikevich"), "nir", tmp_path / "nir")
    files = export(program("lif"), "nir", tmp_path / "lif")
    (core,) = [path for path in files if path.suffix == ".nir"]
    assert any(isinstance(node, nir.LIF) for node in nir.read(core).nodes.values())


def test_integer_targets_refuse_layers() -> None:
    with pytest.raises(LegalizeError, match="numbers that are not whole"):
        write_c(program("lif"))


def test_several_layers_are_refused() -> None:
    of = pinnir.compile(model(mlp()), BOX, neuron="izhikevich", steps=4, levels=5)
    with pytest.raises(LegalizeError, match="has 2 populations, and the average of spikes"):
        write(of)

"""Programs of membrane models as a whole: files, backends, and what is refused."""

from __future__ import annotations

import nir
import numpy as np
import pytest

import pinnir
from pinnir.backends.reference import ReferenceBackend
from pinnir.base.errors import PinnirError
from pinnir.neurons import MEMBRANES, Integrated
from pinnir.program.reading import read
from tests.backends.networks import DOMAIN, mlp, model, neurons_of, run_core, same_spikes

STEPS = 12


@pytest.fixture(scope="module")
def programs():
    names = ("lif", "izhikevich", "fitzhugh-nagumo")
    return {
        name: pinnir.compile(model(mlp()), DOMAIN, neuron=name, steps=STEPS, levels=2 * STEPS + 1)
        for name in names
    }


def test_files_hold_the_membranes(programs, tmp_path):
    for name, program in programs.items():
        path = tmp_path / f"{name}.nir"
        program.save(path)
        again = read(path)
        x = program.domain.sample(16, 1)
        np.testing.assert_array_equal(again.run(x).outputs, program.run(x).outputs)
        assert again.to_bytes() == program.to_bytes()
        (core,) = again.running
        models = {n.op.model.name for n in neurons_of(core) if isinstance(n.op, Integrated)}
        assert models == {MEMBRANES[name].name}
        kinds = {type(node).__name__ for node in nir.read(path).nodes.values()}
        assert ("LIF" in kinds, "Threshold" in kinds) == (name == "lif", name != "lif")


def test_norse_fires_every_spike(programs):
    pytest.importorskip("norse")
    from pinnir.backends.norse.backend import NorseBackend

    for program in programs.values():
        (core,) = program.running
        x = program.domain.sample(32, 2)
        expected, spikes = run_core(core, ReferenceBackend(), x)
        output, found = run_core(core, NorseBackend(), x)
        np.testing.assert_allclose(output, expected, rtol=0, atol=1e-9)
        assert same_spikes(spikes, found) > 0


def test_targets_follow_from_the_neuron(programs):
    targets = {name: program.manifest["target"] for name, program in programs.items()}
    assert targets == {
        "lif": "nir",
        "izhikevich": "programmable",
        "fitzhugh-nagumo": "programmable",
    }


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"neuron": "foo"}, "'foo': unknown neuron\nhint: known are if, lif, fitzhugh-nagumo, "),
        ({"neuron": "lif", "coding": "delta"}, "delta coding has neurons of its own, not lif"),
        ({"neuron": "lif", "pipeline": "legalise"}, "a pipeline fixes the neurons"),
    ],
)
def test_what_does_not_fit_is_refused(asked, message):
    with pytest.raises(PinnirError) as caught:
        pinnir.compile(model(mlp()), DOMAIN, **asked)
    assert str(caught.value).startswith(message)


def test_search_tries_that_neuron_only():
    program = pinnir.compile(model(mlp()), DOMAIN, neuron="lif", steps=16, rtol=0.5)
    assert {point.candidate.family for point in program.frontier.points} == {"rate-lif"}
    assert program.metrics["rel_l2"] < 0.5

"""The exported network does what the oracle does, told without Lava."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pinnir.backends.export import export
from pinnir.backends.lava.network import LavaCore, cores_of, signed_digits
from pinnir.backends.lava.write import write
from pinnir.base.errors import LegalizeError
from pinnir.base.targets import TARGETS
from tests.backends.lava.chip import network, simulate, unpacked
from tests.backends.lava.programs import FORMS, program


@given(
    arrays(np.int64, (3, 4), elements=st.integers(-(2**22), 2**22)),
    st.integers(0, 6),
)
def test_digits_add_up_to_the_weights_and_fit_mixed_signs(weights, shift):
    weights = weights << shift
    digits = list(signed_digits(weights))
    total = sum((np.ldexp(d, exponent) for exponent, d in digits), np.zeros((3, 4)))
    np.testing.assert_array_equal(total, weights)
    for _, one in digits:
        assert (one % 2 == 0).all()
        assert -256 <= one.min() <= one.max() <= 254


def test_eight_bits_are_one_digit():
    ((exponent, digits),) = signed_digits(np.array([[-128, 127, 3]]))
    assert exponent == -1
    assert digits.tolist() == [[-256, 254, 6]]


@pytest.mark.parametrize("form", FORMS)
def test_every_event_equals_the_oracles(form):
    files = write(program("resnet", form))
    samples = unpacked(files["samples.npz"])
    for label in json.loads(files["program.json"])["cores"]:
        found = simulate(network(files, label), samples[f"{label}.inputs"])
        for name, values in found.items():
            np.testing.assert_array_equal(values, samples[f"{label}.{name}"], err_msg=name)


def test_several_cores_are_several_networks():
    files = write(program("spinn", "population"))
    labels = json.loads(files["program.json"])["cores"]
    assert len(labels) > 1
    samples = unpacked(files["samples.npz"])
    for label in labels:
        found = simulate(network(files, label), samples[f"{label}.inputs"])
        np.testing.assert_array_equal(found["outputs"], samples[f"{label}.outputs"])


def test_what_skips_a_layer_is_delayed():
    (core,) = cores_of(program("resnet", "delta"))
    delays = {one.delay for one in core.synapses()}
    assert {1, 2} <= delays
    for one in core.synapses():
        assert core.depths[one.target] - core.depths[one.source] == one.delay


def test_fine_units_hear_their_layer_a_step_after_the_coarse_ones():
    (core,) = cores_of(program("resnet", "population"))
    coarse, fine = (core.names[node.node] for node in core.flat.populations[:2])
    assert (core.depths[coarse], core.depths[fine]) == (1, 2)


def test_feedback_gets_a_step_of_silence():
    fed = cores_of(program("resnet", "signed rate"))
    plain = cores_of(program("resnet", "rate"))
    assert [core.period - core.steps for core in (*fed, *plain)] == [1, 0]


def test_exports_are_the_same_every_time():
    assert write(program("resnet", "rate")) == write(program("resnet", "rate"))


def test_an_export_has_folders_and_may_be_written_again(tmp_path):
    exported = program("resnet", "rate")
    export(exported, "lava", tmp_path / "out")
    found = export(exported, "lava", tmp_path / "out", force=True)
    names = {path.relative_to(tmp_path / "out").as_posix() for path in found}
    assert {"runner.py", "processes/soft_reset_if.py", "samples.npz", "README.md"} <= names
    assert "processes/__init__.py" in names


def test_exported_files_do_not_need_pinnir():
    files = write(program("resnet", "rate"))
    sources = [data.decode() for name, data in files.items() if name.endswith(".py")]
    assert len(sources) == 9
    assert not any("pinnir" in source for source in sources)


def test_numbers_that_do_not_fit_are_refused():
    (core,) = cores_of(program("resnet", "rate"))
    node = next(iter(core.whole.reach))
    large = replace(core.whole, reach={**core.whole.reach, node: 2.0**23})
    with pytest.raises(LegalizeError) as caught:
        LavaCore(core.label, large).check(TARGETS["lava"])
    assert "has sums of up to 8.39e+06, and the target holds 24 bits" in str(caught.value)

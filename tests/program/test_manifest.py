"""What a manifest must say: rules between its entries, and what may be missing or stand beside."""

from __future__ import annotations

import json
from copy import deepcopy
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnir.base.chips import LOIHI_1
from pinnir.base.errors import ProgramFileError
from pinnir.program.manifest import FIELDS, Manifest, read_manifest
from pinnir.program.placing import place_program
from tests.backends.networks import small_program

OPTIONAL = {"metrics", "budget", "placement", "trial", "scales"}
ENTRIES = set(Manifest.__struct_fields__)
JUNK = st.sampled_from([None, True, -1, 0, 1.5, "x", float("nan"), 10**400, [], [[]], {}, {"a": 1}])


@cache
def complete() -> dict[str, Any]:
    """The manifest of a program with all entries."""
    program = small_program()
    placement, _ = place_program(program, LOIHI_1)
    told = program.told() | {"placement": placement.told()}
    found: dict[str, Any] = json.loads(json.dumps(told))
    return found


def refused(told: object) -> str:
    """The entry that a refused manifest is said to be wrong in."""
    with pytest.raises(ProgramFileError) as caught:
        read_manifest(told)
    start, end = "the entry '", "' of its manifest is missing or wrong"
    assert caught.value.message.startswith(start) and caught.value.message.endswith(end)
    return caught.value.message.removeprefix(start).removesuffix(end)


def test_a_complete_manifest():
    found = read_manifest(complete())
    program = small_program()
    assert found.budget == program.budget
    for name in ("cost", "inputs", "outputs", "layouts"):
        assert getattr(found, name) == getattr(program, name)
    assert str(found.domain.restored()) == str(program.domain)


@pytest.mark.parametrize("entry", sorted(ENTRIES))
def test_an_entry_that_is_missing(entry):
    told = {name: value for name, value in complete().items() if name != entry}
    if entry in OPTIONAL:
        read_manifest(told)
    else:
        assert refused(told) == entry


def test_more_may_stand_in_a_manifest():
    told = complete() | {"from": ["later"], "metrics": complete()["metrics"] | {"from": "later"}}
    read_manifest(told)


@given(data=st.data(), entry=st.sampled_from(sorted(ENTRIES - {"trial"})), junk=JUNK)
def test_one_wrong_value_is_named_or_harmless(data, entry, junk):
    """Wherever it stands in an entry."""
    told = deepcopy(complete())
    place, key = told, entry
    while isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans()):
        place = place[key]
        keys = sorted(place) if isinstance(place, dict) else range(len(place))
        key = data.draw(st.sampled_from(keys))
    place[key] = junk
    try:
        read_manifest(told)
    except ProgramFileError as error:
        named = error.message.split("'")[1]
        # Other entries may depend on it.
        assert named == entry or (entry in FIELDS and named in ("domain", "layouts"))


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("domain", [["x", "t"], [-1.0, 0.0], [1.0, 1.0]]),
        ("domain", [["x", "t"], [-1.0, 0.0], [1.0, 1.0], [], []]),
        ("domain", [["x", "t"], [-1.0], [1.0, 1.0], []]),
        ("domain", [["x", "t"], [-1.0, 0.0], [1.0, 1.0], [1, 1]]),
        ("domain", [["x", "t"], [-1.0, 0.0], [1.0, 1.0], [0]]),
        ("domain", [["x"], [-1.0], [1.0], []]),
        ("trial", [0.0]),
        ("trial", [0.0, float("nan")]),
        ("trial", [0.0, 1e9]),
        ("layouts", {}),
        ("cost", {"macs": 1, "core_macs": 2, "activations": 1}),
    ],
)
def test_rules_between_entries(entry, value):
    assert refused(complete() | {entry: value}) == entry


def test_every_value_runs_along_axes_of_the_domain():
    layouts = complete()["layouts"]
    for layout in ([[1], 1], [[0], [0]], [[0], 3]):
        assert refused(complete() | {"layouts": dict.fromkeys(layouts, layout)}) == "layouts"


def test_every_output_has_a_scale():
    (scale,) = complete()["scales"]
    for scales in ([scale, scale], [scale | {"scale": 0.0}], [scale | {"against": "it"}]):
        assert refused(complete() | {"scales": scales}) == "scales"
    assert read_manifest(complete() | {"scales": []}).scales == ()


def test_whole_numbers_are_numbers():
    names, low, _, axes = complete()["domain"]
    found = read_manifest(complete() | {"domain": [names, low, [1, 1], axes]}).domain.restored()
    assert found.high.tolist() == [1.0, 1.0] and found.high.dtype == float

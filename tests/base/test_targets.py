"""The table of targets."""

from __future__ import annotations

import pytest

from pinnir import neurons
from pinnir.base.errors import LegalizeError
from pinnir.base.targets import TARGETS, find_target
from pinnir.codings import CODINGS


@pytest.mark.parametrize("name", TARGETS)
def test_rows_name_what_exists(name):
    target = find_target(name)
    assert target.name == name
    assert set(target.codings) <= set(CODINGS)
    assert all(hasattr(neurons, model) for model in target.neurons)
    assert target.summary


def test_unknown():
    with pytest.raises(LegalizeError) as caught:
        find_target("loihi9")
    assert str(caught.value) == "'loihi9': unknown target\nhint: known are " + ", ".join(TARGETS)

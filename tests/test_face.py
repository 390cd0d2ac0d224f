"""What `import pinnir` gives."""

from __future__ import annotations

import pytest

import pinnir


@pytest.mark.parametrize("name", pinnir.__all__)
def test_every_promised_name_is_there(name):
    assert getattr(pinnir, name).__name__ == name

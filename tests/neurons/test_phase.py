"""Signed binary digits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnir.neurons.phase import naf, needed_digits, weight

LEVELS = st.lists(st.integers(-(2**31) + 1, 2**31 - 1), min_size=1, max_size=20).map(np.array)


@given(LEVELS)
def test_digits_say_the_level(levels):
    digits = naf(levels, needed_digits(levels))
    places = 2 ** np.arange(len(digits) - 1, -1, -1)
    np.testing.assert_array_equal(places @ digits, levels)
    assert not ((digits[1:] != 0) & (digits[:-1] != 0)).any()
    np.testing.assert_array_equal(np.abs(digits).sum(axis=0), weight(levels))


@given(LEVELS)
def test_fewer_digits_do_not_suffice(levels):
    count = needed_digits(levels)
    if count > 1:
        with pytest.raises(ValueError, match="are too few"):
            naf(levels, count - 1)


def test_no_signed_binary_form_has_fewer_digits():
    least = {0: 0}
    for place in range(8):
        for value, used in list(least.items()):
            for digit in (-1, 1):
                sent = value + digit * 2**place
                least[sent] = min(least.get(sent, 99), used + 1)
    levels = np.arange(-127, 128)
    assert weight(levels).tolist() == [least[level] for level in levels]

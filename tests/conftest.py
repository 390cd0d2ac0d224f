"""One deterministic hypothesis profile for the whole suite."""

from __future__ import annotations

import tempfile

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.configuration import set_hypothesis_home_dir

settings.register_profile(
    "pinnir",
    derandomize=True,
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("pinnir")

# Hypothesis keeps notes on the code under test; they would end up in the repository.
_NOTES = tempfile.TemporaryDirectory(prefix="hypothesis-")
set_hypothesis_home_dir(_NOTES.name)


def pytest_unconfigure(config: pytest.Config) -> None:
    _NOTES.cleanup()

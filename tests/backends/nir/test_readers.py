"""Readers in environments of their own run whole stock programs exactly.

``pytest -m readers tests/backends/nir`` installs what is missing, which takes minutes.
"""

from __future__ import annotations

import pytest

import pinnir
from pinnir.backends.environments import find_reader
from pinnir.backends.nir.network import stock_program
from pinnir.backends.nir.verify import in_reader
from pinnir.backends.nir.write import write_stock
from pinnir.backends.recording import probe_points
from pinnir.passes import pipelines
from tests.backends.networks import DOMAIN, EXAMPLES, mlp, model
from tests.networks import family

pytestmark = pytest.mark.readers
ASKED = (
    {"levels": 40},
    {"coding": "rate", "steps": 16, "levels": 33},
    {"pipeline": pipelines.rate_signed(16)},
)
READERS = ("norse", "spikingjelly", "snntorch")


@pytest.fixture(scope="module", autouse=True)
def installed():
    for reader in READERS:
        find_reader(reader).install()


def assert_exact(program):
    stocks, files, points = stock_program(program), write_stock(program), probe_points(program, 16)
    for reader in READERS:
        for found in in_reader(reader, stocks, files, points).values():
            assert found.equal, found
            assert found.events > 0


@pytest.mark.parametrize("ask", ASKED)
def test_small_programs(ask):
    assert_exact(pinnir.compile(model(mlp()), DOMAIN, strip_source=True, **ask))


@pytest.mark.parametrize("name", ["resnet", "skip", "spinn"])
@pytest.mark.parametrize("ask", ASKED[:2])
def test_families(name, ask):
    assert_exact(pinnir.compile(family(name), "-1:1", **ask))


@pytest.mark.parametrize("name", ["burgers", "poisson", "burgers_spinn"])
def test_examples(name):
    assert_exact(pinnir.read(EXAMPLES / name / "program.nir"))

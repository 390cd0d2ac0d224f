"""Forward derivatives of tanh networks and of separable networks."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ir_examples.networks import SPINN, TanhMLP, factors_of, propagate, spread_features
from tests.ir_examples.common import jet_by_autograd, random_points

OPERATORS = [(1.0, 0.0, 0.0), (0.0, 2.0, -3.0), (1.0, 1.0, 1.0)]


def test_derivatives_of_a_network() -> None:
    network = TanhMLP((3, 7, 6, 5, 2), seed=3)
    points = random_points((-1, 0, 2), (1, 2, 3))
    found, truth = (
        propagate(network, points, OPERATORS),
        jet_by_autograd(network, points, OPERATORS),
    )
    torch.testing.assert_close(found.value, truth.value)
    torch.testing.assert_close(found.first, truth.first)
    torch.testing.assert_close(found.second, truth.second)


@pytest.mark.parametrize("outputs", [1, 3])
def test_derivatives_of_a_separable_network(outputs: int) -> None:
    lower, upper = (-1.0, -2.0, 0.0), (1.0, 2.0, 1.0)
    network = SPINN((1, 6, 4 * outputs), outputs, lower, upper, (2.0,) * 3, seed=0)
    samples = [
        random_points([low], [high], count)
        for low, high, count in zip(lower, upper, (3, 4, 5), strict=True)
    ]
    grid = torch.stack(torch.meshgrid(*(s[:, 0] for s in samples), indexing="ij"), dim=-1)

    def at_points(points: Tensor) -> Tensor:
        rows = [
            network(*torch.split(row, 1)).reshape(1, outputs) for row in points[:, :, None].unbind()
        ]
        return torch.cat(rows)

    truth = jet_by_autograd(at_points, grid.reshape(-1, 3), [(0.0, 1.0, 0.0)])
    jets = network.jets(samples)
    shape = (3, 4, 5) if outputs == 1 else (3, 4, 5, 3)
    assert network(*samples).shape == shape
    for orders, expected in (
        ((0, 0, 0), truth.value),
        ((1, 0, 0), truth.first[0]),
        ((0, 0, 1), truth.first[2]),
        ((0, 2, 0), truth.second[0]),
    ):
        found = network.merge(factors_of(jets, orders))
        torch.testing.assert_close(found, expected.reshape(shape))


def test_transitions_lie_in_the_box() -> None:
    network = TanhMLP((1, 50, 1), seed=0)
    spread_features(network, [2.0], [4.0], [3.0], seed=1)
    weight, bias = (value.detach() for value in network.linears[0].parameters())
    centres = -bias / weight[:, 0]
    assert float(centres.min()) >= 2
    assert float(centres.max()) <= 4
    assert float(weight.std()) == pytest.approx(3, rel=0.3)


def test_seeds_decide_the_weights() -> None:
    def weights(seed: int) -> Tensor:
        network = SPINN((1, 4, 3), 1, (0.0, 0.0), (1.0, 1.0), (1.0, 1.0), seed)
        return torch.nn.utils.parameters_to_vector(network.parameters()).detach()

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))
    first, second = weights(1).chunk(2)
    assert not torch.equal(first, second)

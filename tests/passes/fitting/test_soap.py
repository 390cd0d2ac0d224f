"""SOAP goes down, in few steps where directions are far from equally steep."""

from __future__ import annotations

import numpy as np
import pytest

from pinnir.numerics.adam import Parameters, Training
from pinnir.numerics.matrix import Array
from pinnir.passes.fitting.soap import Soap

RNG = np.random.default_rng(0)


def steep(size: int) -> Array:
    """A matrix whose directions differ in steepness by a factor of 1,000."""
    turn = np.linalg.qr(RNG.normal(size=(size, size)))[0]
    return (turn * np.logspace(-1.5, 1.5, size)) @ turn.T


LEFT, RIGHT = steep(6), steep(4)
WANTED, START = RNG.normal(size=(6, 4)), RNG.normal(size=(6, 4))


def loss(parameters: Parameters) -> float:
    weight, bias = parameters["map"]
    return float(((LEFT @ (weight - WANTED) @ RIGHT) ** 2).sum() + (bias**2).sum())


def gradient(parameters: Parameters) -> Parameters:
    weight, bias = parameters["map"]
    missed = LEFT @ (weight - WANTED) @ RIGHT
    return {"map": (2 * LEFT.T @ missed @ RIGHT.T, 2 * bias)}


def after(steps: int) -> Parameters:
    parameters: Parameters = {"map": (START, np.ones(6))}
    soap = Soap(0.1, steps)
    for _ in range(steps):
        parameters = soap.step(parameters, gradient(parameters))
    return parameters


def test_it_goes_down_farther_than_adam():
    begun: Parameters = {"map": (START, np.ones(6))}
    adam = Training(begun, loss(begun), 0.1, 300)
    for _ in range(300):
        adam.step(gradient(adam.parameters))
    assert loss(after(300)) < 0.1 * loss(adam.parameters) < loss(begun)


def test_it_is_deterministic():
    np.testing.assert_array_equal(after(40)["map"][0], after(40)["map"][0])


def test_a_direction_that_was_quiet_does_not_throw_it_off():
    """The first gradients there are no measure of it."""
    parameters: Parameters = {"map": (START, np.ones(6))}
    soap = Soap(0.01, 100)
    size = np.sqrt((START**2).mean())
    for step in range(100):
        scale = 1e-12 if step < 2 else 1.0
        by_weight, by_bias = gradient(parameters)["map"]
        before = parameters["map"][0]
        parameters = soap.step(parameters, {"map": (scale * by_weight, scale * by_bias)})
        moved = np.linalg.norm(parameters["map"][0] - before)
        assert moved <= 0.01 * size * np.sqrt(6 * 5) * (1 + 1e-9)


def test_blocks_and_maps_without_gradient():
    blocks = RNG.normal(size=(3, 2, 1))
    parameters: Parameters = {"blocks": (blocks, np.zeros(6)), "fixed": (START, np.zeros(6))}
    soap = Soap(0.1, 10)
    found = soap.step(parameters, {"blocks": (np.sign(blocks), np.ones(6))})
    assert found["fixed"] is parameters["fixed"]
    weight, bias = found["blocks"]
    assert weight.shape == blocks.shape
    assert (np.sign(blocks - weight) == np.sign(blocks)).all()
    assert (bias < 0).all()


@pytest.mark.parametrize("shape", [(600, 3), (3, 600)])
def test_wide_sides_are_not_turned(shape):
    parameters: Parameters = {"map": (np.ones(shape), np.zeros(shape[0]))}
    soap = Soap(0.1, 30)
    for _ in range(12):
        weight, bias = parameters["map"]
        parameters = soap.step(parameters, {"map": (weight, bias)})
    assert np.abs(parameters["map"][0]).max() < 1.0


def test_single_precision_stays_single():
    parameters: Parameters = {"map": (START.astype(np.float32), np.ones(6, np.float32))}
    moved = Soap(0.1, 10).step(parameters, gradient(parameters))
    assert all(part.dtype == np.float32 for part in moved["map"])

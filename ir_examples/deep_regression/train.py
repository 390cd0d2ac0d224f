"""Train a deeper network, 1-64-64-64-64-1, on the function of ``function_regression``."""

from dataclasses import replace
from pathlib import Path

from ir_examples.function_regression.train import (
    LOWER,
    SETTINGS,
    SLOPES,
    UPPER,
    problem,
    reference,
)
from ir_examples.networks import TanhMLP, spread_mlp
from ir_examples.runs import run, start

WIDTHS = (1, 64, 64, 64, 64, 1)


def network_of(seed: int) -> TanhMLP:
    """Return the untrained network."""
    return spread_mlp(WIDTHS, LOWER, UPPER, SLOPES, seed)


def main() -> None:
    """Train with the options of the command line and write the results."""
    few = replace(SETTINGS, lbfgs_steps=1500)
    settings, folder = start("Train the deeper network.", few, Path(__file__).parent)
    run(network_of(settings.seed), problem(), reference(), settings, folder)


if __name__ == "__main__":
    main()

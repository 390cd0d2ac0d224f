"""Training of physics-informed networks (PINNs) for the examples: the parts every problem shares.

A problem states its equation as a residual and its boundary and initial conditions as a penalty
(`Problem`), the network is a tanh multilayer perceptron (`TanhMLP`), and `run` trains it, exports
it to ONNX and scores the exported file against a reference solution. Three choices matter:

1. Derivatives are propagated forward through the layers together with the value (`propagate`),
   which costs a few matrix products per layer, where nested backpropagation costs several passes.
2. Training is in float64: the last digits of accuracy come from L-BFGS, whose curvature
   estimates drown in float32 rounding. Only the exported file is float32.
3. L-BFGS needs a fixed loss, so collocation points change only between its rounds, where they are
   drawn in proportion to the residual (Wu et al., Comput. Methods Appl. Mech. Eng. 403, 2023).
"""

import argparse
import json
import logging
import time
import warnings
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

logger = logging.getLogger(__name__)

Array = NDArray[np.float64]
Network = TypeVar("Network", bound=nn.Module)

OPSET = 18
# torch's L-BFGS drops curvature pairs whose inner product is below an absolute 1e-10; losses here
# end near 1e-6, so without this factor it would stop learning curvature when it matters most.
LBFGS_LOSS_SCALE = 1e6
QUICK_STEPS = 5


@dataclass(frozen=True)
class Settings:
    """Settings of a training run.

    Attributes:
        seed: Seed of the initial weights and of the collocation points.
        collocation: Number of collocation points in a batch.
        adam_steps: Adam steps; each one draws new uniform points.
        learning_rate: Adam's first learning rate; it decays geometrically to `final_rate`.
        final_rate: Adam's last learning rate.
        lbfgs_steps: L-BFGS iterations, over all rounds.
        lbfgs_rounds: Rounds the iterations are divided into; each one draws new points.
        history: Curvature pairs that L-BFGS keeps.
        candidates: Uniform points among which a round draws by residual; 0 draws uniformly.
    """

    seed: int = 0
    collocation: int = 2000
    adam_steps: int = 2000
    learning_rate: float = 2e-3
    final_rate: float = 2e-4
    lbfgs_steps: int = 10_000
    lbfgs_rounds: int = 10
    history: int = 100
    candidates: int = 20_000


@dataclass(frozen=True)
class Problem(Generic[Network]):
    """A differential equation on a box, as losses of a network.

    Attributes:
        name: Name of the problem, for the log.
        columns: Names of the input columns, in order.
        lower: Lower corner of the box, one number per column.
        upper: Upper corner of the box.
        residual: Residual of the equation at points (samples, columns): (samples, equations).
        penalty: Weighted squared violation of the boundary and initial conditions, a scalar.
    """

    name: str
    columns: tuple[str, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    residual: Callable[[Network, Tensor], Tensor]
    penalty: Callable[[Network], Tensor]


@dataclass(frozen=True)
class Reference:
    """A reference solution on a uniform grid.

    Attributes:
        points: Grid points (samples, columns) in C order, the first column slowest.
        outputs: Solution (samples, outputs).
        grid: Grid points per column.
    """

    points: Array
    outputs: Array
    grid: tuple[int, ...]


class TanhMLP(nn.Module):
    """A multilayer perceptron in float64: tanh after every layer but the last.

    Args:
        widths: Inputs, hidden widths and outputs, for example (2, 100, 100, 100, 1).
        seed: Seed of the Glorot-normal weights; biases start at zero.
    """

    def __init__(self, widths: Sequence[int], seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.layers = nn.ModuleList(
            nn.Linear(inputs, outputs, dtype=torch.float64) for inputs, outputs in pairwise(widths)
        )
        for layer in self.linears:
            nn.init.xavier_normal_(layer.weight, generator=generator)
            nn.init.zeros_(layer.bias)

    @property
    def linears(self) -> list[nn.Linear]:
        """The affine layers, first to last."""
        return [layer for layer in self.layers if isinstance(layer, nn.Linear)]

    def forward(self, points: Tensor) -> Tensor:
        """Return the outputs (samples, outputs) at points (samples, columns)."""
        *hidden, last = self.linears
        value = points
        for layer in hidden:
            value = torch.tanh(layer(value))
        output: Tensor = last(value)
        return output


@dataclass(frozen=True)
class Jet:
    """A network's outputs and derivatives, each (samples, outputs).

    Attributes:
        value: The outputs.
        first: First derivatives, one per column.
        second: Second-order operators applied to the outputs, in the order they were asked for.
    """

    value: Tensor
    first: tuple[Tensor, ...]
    second: tuple[Tensor, ...]


def propagate(network: TanhMLP, points: Tensor, operators: Sequence[Sequence[float]] = ()) -> Jet:
    """Evaluate a network with its first derivatives and second-order operators.

    With h = tanh(z), the chain rule for each layer is h_x = (1 - h^2) z_x and
    h_xx = (1 - h^2) (z_xx - 2 h z_x^2). The latter is linear in the operator, so a sum such as the
    Laplacian travels as one channel.

    Args:
        network: The network.
        points: Points (samples, columns).
        operators: Each operator as its coefficients of the pure second derivatives, one per
            column: (1, 1) is the Laplacian in the plane, (1, 0) is d2/dx2 in columns x, t.
    """
    *hidden, last = network.linears
    columns = points.shape[1]
    value = points
    # One row each: the input's derivatives are the same at all points, and broadcasting keeps the
    # first layer as cheap as one sample.
    basis = torch.eye(columns, dtype=points.dtype)
    first = [basis[column : column + 1] for column in range(columns)]
    second = [torch.zeros(1, columns, dtype=points.dtype) for _ in operators]
    for layer in hidden:
        value = torch.tanh(layer(value))
        slope = 1 - value * value
        first = [channel @ layer.weight.T for channel in first]
        squares = [channel * channel for channel in first]
        second = [
            slope * (channel @ layer.weight.T - 2 * value * _combine(operator, squares))
            for channel, operator in zip(second, operators, strict=True)
        ]
        first = [slope * channel for channel in first]
    return Jet(
        last(value),
        tuple(channel @ last.weight.T for channel in first),
        tuple(channel @ last.weight.T for channel in second),
    )


def _combine(coefficients: Sequence[float], terms: Sequence[Tensor]) -> Tensor:
    """Return the linear combination of terms, without work for zero coefficients."""
    used = [(c, term) for c, term in zip(coefficients, terms, strict=True) if c != 0]
    total = used[0][0] * used[0][1]
    for coefficient, term in used[1:]:
        total = total + coefficient * term
    return total


def train(network: Network, problem: Problem[Network], settings: Settings) -> None:
    """Train a network in place: Adam on fresh points, then rounds of L-BFGS on drawn points."""
    generator = np.random.default_rng(settings.seed)
    _train_adam(network, problem, settings, generator)
    for index in range(settings.lbfgs_rounds):
        points = _draw_by_residual(network, problem, settings, generator)
        loss = _train_lbfgs(network, problem, settings, points)
        logger.info(
            "%s: L-BFGS round %d/%d, loss %.3e",
            problem.name,
            index + 1,
            settings.lbfgs_rounds,
            loss,
        )


def loss_of(network: Network, problem: Problem[Network], points: Tensor) -> Tensor:
    """Return the mean squared residual at the points plus the penalty."""
    return problem.residual(network, points).square().mean() + problem.penalty(network)


def _train_adam(
    network: Network,
    problem: Problem[Network],
    settings: Settings,
    generator: np.random.Generator,
) -> None:
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    ratio = settings.final_rate / settings.learning_rate
    decay = ratio ** (1 / max(settings.adam_steps, 1))
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, decay)
    for step in range(settings.adam_steps):
        optimizer.zero_grad()
        loss = loss_of(network, problem, _draw(problem, settings.collocation, generator))
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
        if (step + 1) % 500 == 0:
            logger.info(
                "%s: Adam step %d/%d, loss %.3e",
                problem.name,
                step + 1,
                settings.adam_steps,
                loss.item(),
            )


def _train_lbfgs(
    network: Network, problem: Problem[Network], settings: Settings, points: Tensor
) -> float:
    """Run one round of L-BFGS on fixed points and return the last loss."""
    steps = settings.lbfgs_steps // settings.lbfgs_rounds
    # Zero tolerances: the number of steps ends the round, on every machine alike.
    optimizer = torch.optim.LBFGS(
        network.parameters(),
        max_iter=steps,
        max_eval=2 * steps,
        history_size=settings.history,
        line_search_fn="strong_wolfe",
        tolerance_grad=0.0,
        tolerance_change=0.0,
    )

    def closure() -> float:
        optimizer.zero_grad()
        loss = LBFGS_LOSS_SCALE * loss_of(network, problem, points)
        torch.autograd.backward(loss)
        return loss.item()

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return closure() / LBFGS_LOSS_SCALE


def _draw(problem: Problem[Network], count: int, generator: np.random.Generator) -> Tensor:
    """Draw uniform points (count, columns) in the problem's box."""
    points = generator.uniform(problem.lower, problem.upper, (count, len(problem.columns)))
    return torch.from_numpy(points)


def _draw_by_residual(
    network: Network,
    problem: Problem[Network],
    settings: Settings,
    generator: np.random.Generator,
) -> Tensor:
    """Draw points with probability proportional to |residual| / mean |residual| + 1."""
    if settings.candidates == 0:
        return _draw(problem, settings.collocation, generator)
    candidates = _draw(problem, settings.candidates, generator)
    with torch.no_grad():
        size = problem.residual(network, candidates).norm(dim=1).numpy()
    density = size / size.mean() + 1
    chosen = generator.choice(
        settings.candidates, settings.collocation, replace=False, p=density / density.sum()
    )
    return candidates[torch.from_numpy(chosen)]


def grid_points(axes: Sequence[Array]) -> Array:
    """Return the points (samples, columns) of a grid in C order, the first axis slowest."""
    return np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)


def relative_l2(outputs: Array, reference: Array) -> float:
    """Return the L2 norm of the difference divided by that of the reference."""
    return float(np.linalg.norm(outputs - reference) / np.linalg.norm(reference))


def export(network: nn.Module, columns: int, path: Path) -> None:
    """Write a float32 ONNX file with input "points" [batch, columns] and output "u"."""
    single = deepcopy(network).float().eval()
    with warnings.catch_warnings():
        # The TorchScript exporter is deprecated, but it keeps the weights inside the file and
        # gives the nodes the same names in every run.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            single,
            (torch.zeros(1, columns),),
            str(path),
            input_names=["points"],
            output_names=["u"],
            dynamic_axes={"points": {0: "batch"}, "u": {0: "batch"}},
            opset_version=OPSET,
            dynamo=False,
        )


def run_onnx(path: Path, points: Array) -> Array:
    """Run an exported file on points (samples, columns) and return its outputs in float64."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    outputs: Array = session.run(["u"], {"points": points.astype(np.float32)})[0]
    return outputs.astype(np.float64)


def run(
    network: Network,
    problem: Problem[Network],
    reference: Reference,
    settings: Settings,
    folder: Path,
) -> None:
    """Train, export and score a network; write model.onnx, reference.npz and training.json."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        folder / "reference.npz",
        points=reference.points,
        outputs=reference.outputs,
        columns=np.array(problem.columns),
        grid=np.array(reference.grid),
    )
    start = time.perf_counter()
    train(network, problem, settings)
    seconds = time.perf_counter() - start
    export(network, len(problem.columns), folder / "model.onnx")
    outputs = run_onnx(folder / "model.onnx", reference.points)
    summary = {
        "rel_l2_reference": relative_l2(outputs, reference.outputs),
        "zero_rel_l2_reference": relative_l2(np.zeros_like(outputs), reference.outputs),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "seed": settings.seed,
        "adam_steps": settings.adam_steps,
        "lbfgs_steps": settings.lbfgs_steps,
        "seconds": round(seconds, 1),
    }
    (folder / "training.json").write_text(json.dumps(summary, indent=2) + "\n")
    logger.info("%s: %s", problem.name, summary)


def start(description: str, settings: Settings, folder: Path) -> tuple[Settings, Path]:
    """Read the command line of a training script and make its run repeatable.

    Args:
        description: First line of the script's help.
        settings: The script's default settings.
        folder: The script's default output folder.

    Returns:
        The settings and the output folder to use.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seed", type=int, default=settings.seed)
    parser.add_argument("--adam-steps", type=int, default=settings.adam_steps)
    parser.add_argument("--lbfgs-steps", type=int, default=settings.lbfgs_steps)
    parser.add_argument("--output", type=Path, default=folder, help="folder to write to")
    parser.add_argument("--quick", action="store_true", help="a few steps, as a smoke test")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    # The order of sums depends on the number of threads, and L-BFGS amplifies the difference.
    torch.set_num_threads(1)
    chosen = replace(
        settings,
        seed=options.seed,
        adam_steps=options.adam_steps,
        lbfgs_steps=options.lbfgs_steps,
    )
    if options.quick:
        chosen = replace(chosen, adam_steps=QUICK_STEPS, lbfgs_steps=QUICK_STEPS, lbfgs_rounds=1)
    return chosen, options.output

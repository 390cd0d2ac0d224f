"""What passes may look at besides the graph."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from pinnir.base.targets import Target
from pinnir.ir.graph import Graph
from pinnir.numerics.matrix import Array
from pinnir.pipeline.checkpoints import Checkpoints
from pinnir.points.domain import Domain


@dataclass(frozen=True)
class Context:
    """What passes may look at besides the graph.

    Attributes:
        source: The tensor graph that calibrating passes compare layers with.
        calibration: Points of the domain to fit on, ``(samples, columns)``.
        target: What the program is compiled for.
        seed: Of every random choice.
        domain: Where more points may be drawn; None if the calibration points are all there are.
        retrained: The network after a pass that trained it, whose layers later passes compare
            with; its outputs are still compared with ``source``.
        progress: Told what a long pass is doing.
        checkpoints: Where a long pass keeps its state.
    """

    source: Graph
    calibration: Array
    target: Target
    seed: int = 0
    domain: Domain | None = None
    retrained: Graph | None = None
    progress: Callable[[str], None] = lambda text: None
    checkpoints: Checkpoints = field(default_factory=Checkpoints)

    @property
    def layers(self) -> Graph:
        """The network that layers are compared with."""
        return self.retrained or self.source

    def key(self, current: str) -> str:
        """What the state of a pass, given as text, depends on besides the graph it is given."""
        points = hashlib.sha256(self.calibration.tobytes()).hexdigest()
        return f"{current} {self.seed} {self.domain} {points}"

    def fresh(self, count: int, round_: int) -> Array:
        """Points to fit on, ``(count, columns)``: new ones of the domain, and some on its faces.

        Without a domain they are chosen from the calibration points.

        Args:
            count: How many.
            round_: Different rounds give different points.
        """
        seed = int(np.random.SeedSequence([self.seed, round_]).generate_state(1)[0])
        rng = np.random.default_rng(seed)
        if self.domain is None:
            return self.calibration[rng.integers(len(self.calibration), size=count)]
        whole = 1 << (count - 1).bit_length()  # Sobol points come in powers of two
        points = self.domain.sample(whole, seed)[:count]
        faces = self.domain.boundary(max(2, whole // 64), seed)
        share = min(len(faces), count // 8)
        points[rng.permutation(count)[:share]] = faces[rng.permutation(len(faces))[:share]]
        return points

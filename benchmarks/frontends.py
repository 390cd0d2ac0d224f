"""What the frontend makes of networks as the frameworks write them.

``python -m benchmarks.frontends`` writes ``docs/frontends.md``. ``PINNIR_MODELS`` names a folder
with ``zoo/*.onnx``, networks exported by others, and ``pinnlab/*.onnx``; neither is part of this
repository.
"""

import os
import time
from pathlib import Path

import pinnir
from benchmarks.common import MODELS, Case, table, third_party_cases, write_page
from pinnir.base.errors import PinnirError

RTOL = 1e-2

_HEAD = f"""# Measured: networks as the frameworks write them

Written by `python -m benchmarks.frontends` on 79 untrained architectures exported by torch (both
exporters), jax2onnx and tf2onnx from DeepXDE, PINA, PhysicsNeMo, Flax and by hand, and four
trained PINNs. Each is compiled with `--rtol {RTOL:g}` over [-1, 1] in every column (the trained
ones over their own domains). *Error* is that of the worst output relative to its variation, which
the tolerance is on, *relative L2* that of all outputs together. *Cores* are the spiking
parts of the program, *spikes* is the share of the network's multiply-accumulates that they hold.
*Seconds* are from a shared machine under load;
they order the networks and nothing more.
"""


def _row(case: Case) -> tuple[bool, list[object]]:
    started = time.perf_counter()
    print(case.name, flush=True)
    try:
        program = pinnir.compile(case.model, case.domain, rtol=RTOL)
    except PinnirError as error:
        reason = str(error).splitlines()[0]
        return False, [case.name, "refused", "", "", "", "", "", reason]
    metrics, seconds = program.metrics, time.perf_counter() - started
    return True, [
        case.name,
        f"{metrics['nrmse']:.2e}",
        f"{metrics['rel_l2']:.2e}",
        f"{metrics['levels']:,}",
        len(program.cores),
        f"{metrics['core_mac_share']:.3f}",
        f"{seconds:.1f}",
        "",
    ]


def main() -> None:
    """Write the page."""
    zoo = sorted((Path(os.environ[MODELS]) / "zoo").glob("*.onnx"))
    cases = [Case(path.stem, path, "-1:1") for path in zoo] + third_party_cases()
    rows = [_row(case) for case in cases]
    compiled = sum(done for done, _ in rows[: len(zoo)])
    write_page(
        "frontends.md",
        _HEAD,
        f"{compiled} of the {len(zoo)} architectures compile.\n",
        table(
            ["model", "error", "relative L2", "levels", "cores", "spikes", "seconds", "why not"],
            [r for _, r in rows],
        ),
    )


if __name__ == "__main__":
    main()

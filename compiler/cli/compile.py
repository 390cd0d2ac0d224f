"""pinnir compile: a network to the cheapest program within a tolerance."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pinnir.cli.app import PATH, as_json, output_option, path_option, progress_line, to_json

if TYPE_CHECKING:
    from pinnir.program.frontier import Frontier


@click.command("compile")
@click.argument("model", type=PATH)
@click.option("--domain", required=True, help='Ranges of the columns, such as "x=-1:1,t=0:1".')
@output_option("OUT.nir")
@click.option(
    "--target",
    help="See 'pinnir targets'.  [default: nir, or programmable for codings that need it]",
)
@click.option(
    "--coding",
    default="auto",
    show_default=True,
    help="auto, population, rate, phase, delta or signgd.",
)
@click.option(
    "--neuron",
    default="if",
    show_default=True,
    help="Of a rate program: if, lif, fitzhugh-nagumo, izhikevich, izhikevich-fast or "
    "hodgkin-huxley.",
)
@click.option("--rtol", help="Error to stay below, or auto.  [default: 1e-2]")
@click.option(
    "--norm",
    default="nrmse",
    show_default=True,
    help="Of that error: nrmse, of every output relative to its standard deviation, or l2, of all "
    "outputs relative to their L2 norm.",
)
@click.option(
    "--minimise",
    default="synops_per_mac",
    show_default=True,
    metavar="COST",
    help="What the program is to be cheapest in: synops_per_mac, neurons, spikes, steps or energy.",
)
@path_option("--frontier", "FILE.png|json", "Write all programs that were measured there.")
@click.option(
    "--steps", type=int, help="Time steps of a rate or signgd program; searched if not given."
)
@click.option("--levels", type=int, help="Levels per neuron; searched if not given.")
@path_option("--calibration", "POINTS.npz", "Points to fit on; drawn from the domain if not given.")
@path_option(
    "--evaluation",
    "POINTS.npz",
    "Points to measure on, and labels of a classifier; drawn from the domain if not given.",
)
@path_option("--reference", "REF.npz", "Arrays points and outputs of a reference solution.")
@click.option("--pipeline", help="Passes to run instead, such as 'fuse-affine,...'.")
@path_option("--dump", "DIR", "Write the graph after every pass there.")
@click.option(
    "--effort",
    type=int,
    default=2,
    show_default=True,
    metavar="0|1|2|3",
    help="0: a first guess that is proven. 1: search. 2: also networks trained, for seconds, to "
    "bear rounding. 3: for minutes.",
)
@click.option(
    "--train",
    type=int,
    metavar="N",
    help="Iterations of that training; 0 for none.  [default: by effort]",
)
@path_option("--resume", "DIR", "Keep the state of training passes there, and go on from it.")
@click.option(
    "--min-core-share",
    type=float,
    default=0.0,
    metavar="S",
    help="Refuse if less of the network's multiply-accumulates can spike.",
)
@click.option("--strip-source", is_flag=True, help="Leave the source network out of the file.")
@click.option("--seed", default=0, show_default=True, help="Of all random points.")
@as_json
def compile_command(
    model: Path, output: Path, frontier: Path | None, dump: Path | None, json_: bool, **ask: Any
) -> None:
    """Compile MODEL.onnx to the cheapest spiking program within a tolerance, and measure it."""
    from time import perf_counter

    from pinnir.base.files import check_writable
    from pinnir.points.held_out import load_held_out
    from pinnir.points.point_files import load_points, load_reference
    from pinnir.program.frontier import ToleranceError
    from pinnir.report.frontier import check_frontier, print_frontier, save_frontier, told
    from pinnir.report.tables import print_program
    from pinnir.search.compile import compile

    started = perf_counter()
    check_writable(output)
    if frontier is not None:
        check_frontier(frontier)
    if dump is not None:
        check_writable(dump / "dump", make_folder=True)
    reference, calibration = ask.pop("reference"), ask.pop("calibration")
    evaluation = ask.pop("evaluation")
    try:
        with progress_line(json_) as progress:
            program = compile(
                model,
                reference=load_reference(reference) if reference else None,
                calibration=load_points(calibration)["points"] if calibration else None,
                evaluation=load_held_out(evaluation) if evaluation else None,
                progress=progress,
                **ask,
            )
    except ToleranceError as error:
        _tell_faults(error.frontier)
        if frontier is not None:
            save_frontier(frontier, error.frontier)
        if json_:
            reached = {"error": error.message, "reached": error.reached}
            click.echo(to_json(reached | {"frontier": told(error.frontier)}))
        raise
    measured = program.frontier
    assert measured is not None
    _tell_faults(measured)
    program.save(output)
    if frontier is not None:
        save_frontier(frontier, measured)
    if dump is not None:
        program.dump(dump)
    seconds = perf_counter() - started
    if json_:
        asked = {name: program.manifest[name] for name in ("rtol", "norm")}
        found = asked | {"seconds": seconds, "output": str(output)}
        click.echo(to_json(program.metrics | found | {"frontier": told(measured)}))
        return
    print_program(program, output, seconds)
    if len(measured.points) > 1:
        print_frontier(measured)


def _tell_faults(frontier: Frontier) -> None:
    """Bugs that a search went on without."""
    for family in frontier.faults:
        told = f"warning: left out: {family}: {frontier.left_out[family]}"
        click.echo(f"{told}\nthis is a bug in pinnir; please report it", err=True)

"""The command line. Exit codes: 0 good, 1 a requirement was not met, 2 bad input, 3 a bug."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from pinnir.errors import PinnirError, RequirementError, ToleranceError

REQUIREMENT_NOT_MET, BAD_INPUT, BUG, INTERRUPTED = 1, 2, 3, 130

as_json = click.option("--json", "json_", is_flag=True, help="Print JSON for machines.")


class Commands(click.Group):
    """Turns errors into one message and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, BrokenPipeError):
            raise
        except (KeyboardInterrupt, click.Abort):
            click.echo("interrupted; nothing was written", err=True)
            ctx.exit(INTERRUPTED)
        except Exception as error:
            if ctx.params.get("debug"):
                raise
            ctx.exit(_report(error))


def _report(error: Exception) -> int:
    if isinstance(error, PinnirError):
        notes = "".join(f"\n{note}" for note in getattr(error, "__notes__", ()))
        click.echo(f"error: {error}{notes}", err=True)
        return REQUIREMENT_NOT_MET if isinstance(error, RequirementError) else BAD_INPUT
    if isinstance(error, MemoryError):
        click.echo(f"error: not enough memory ({error})\nhint: ask for fewer points", err=True)
        return BAD_INPUT
    click.echo(
        f"internal error: {type(error).__name__}: {error}\n"
        "this is a bug in pinnir; run again with 'pinnir --debug ...' and report it",
        err=True,
    )
    return BUG


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pinnir")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def main(debug: bool) -> None:
    """Compile trained physics-informed networks (ONNX) to spiking programs (NIR)."""


@main.command("compile")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--domain", required=True, help='Ranges of the columns, such as "x=-1:1,t=0:1".')
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), metavar="OUT.nir")
@click.option("--target", help="See 'pinnir targets'.  [default: nir, or programmable for codings "
              "that need it]")  # fmt: skip
@click.option("--coding", default="auto", show_default=True,
              help="auto, population, rate, phase, delta or signgd.")  # fmt: skip
@click.option("--neuron", default="if", show_default=True,
              help="Of a rate program: if, lif, fitzhugh-nagumo, izhikevich, izhikevich-fast or "
                   "hodgkin-huxley.")  # fmt: skip
@click.option("--rtol", help="Relative L2 error to stay below, or auto.  [default: 1e-2]")
@click.option("--minimise", default="synops_per_mac", show_default=True, metavar="COST",
              help="What the program is to be cheapest in: synops_per_mac, neurons, spikes, steps "
                   "or energy.")  # fmt: skip
@click.option("--frontier", type=click.Path(path_type=Path), metavar="FILE.png|json",
              help="Write all programs that were measured there.")  # fmt: skip
@click.option("--steps", type=int,
              help="Time steps of a rate or signgd program; searched if not given.")  # fmt: skip
@click.option("--levels", type=int, help="Levels per neuron; searched if not given.")
@click.option("--calibration", type=click.Path(path_type=Path), metavar="POINTS.npz",
              help="Points to fit on; drawn from the domain if not given.")  # fmt: skip
@click.option("--evaluation", type=click.Path(path_type=Path), metavar="POINTS.npz",
              help="Points to measure on, and labels of a classifier; drawn from the domain if not "
                   "given.")  # fmt: skip
@click.option("--reference", type=click.Path(path_type=Path), metavar="REF.npz",
              help="Arrays points and outputs of a reference solution.")  # fmt: skip
@click.option("--pipeline", help="Passes to run instead, such as 'fuse-affine,...'.")
@click.option("--dump", type=click.Path(path_type=Path), metavar="DIR",
              help="Write the graph after every pass there.")  # fmt: skip
@click.option(
    "--train",
    type=int,
    is_flag=False,
    flag_value=1500,
    default=0,
    metavar="[N]",
    help="Also search networks trained, for minutes, to bear rounding; or N iterations.",
)
@click.option("--resume", type=click.Path(path_type=Path), metavar="DIR",
              help="Keep the state of training passes there, and go on from it.")  # fmt: skip
@click.option("--min-core-share", type=float, default=0.0, metavar="S",
              help="Refuse if less of the network's multiply-accumulates can spike.")  # fmt: skip
@click.option("--strip-source", is_flag=True, help="Leave the source network out of the file.")
@click.option("--seed", default=0, show_default=True, help="Of all random points.")
@as_json
def compile_command(
    model: Path, output: Path, frontier: Path | None, dump: Path | None, json_: bool, **ask: Any
) -> None:
    """Compile MODEL.onnx to the cheapest spiking program within a tolerance, and measure it."""
    from time import perf_counter

    from pinnir.driver import compile, load_reference
    from pinnir.files import check_writable
    from pinnir.held_out import load_held_out
    from pinnir.report.frontier import check_frontier, print_frontier, save_frontier, told
    from pinnir.report.tables import print_program

    started = perf_counter()
    check_writable(output)
    if frontier is not None:
        check_frontier(frontier)
    if dump is not None:
        check_writable(dump / "dump", make_folder=True)
    reference, calibration = ask.pop("reference"), ask.pop("calibration")
    evaluation = ask.pop("evaluation")
    try:
        with _progress(json_) as progress:
            program = compile(
                model,
                reference=load_reference(reference) if reference else None,
                calibration=_points(calibration) if calibration else None,
                evaluation=load_held_out(evaluation) if evaluation else None,
                progress=progress,
                **ask,
            )
    except ToleranceError as error:
        if frontier is not None:
            save_frontier(frontier, error.frontier)
        if json_:
            click.echo(_json({"error": error.message, "reached": error.reached,
                              "frontier": told(error.frontier)}))  # fmt: skip
        raise
    measured = program.frontier
    assert measured is not None
    program.save(output)
    if frontier is not None:
        save_frontier(frontier, measured)
    if dump is not None:
        program.dump(dump)
    seconds = perf_counter() - started
    if json_:
        click.echo(_json({**program.metrics, "rtol": program.manifest["rtol"], "seconds": seconds,
                          "output": str(output), "frontier": told(measured)}))  # fmt: skip
        return
    print_program(program, output, seconds)
    if len(measured.points) > 1:
        print_frontier(measured)


@main.command()
@click.argument("program", type=click.Path(path_type=Path))
@click.option("--points", type=click.Path(path_type=Path), metavar="P.npy|P.npz",
              help="Points to run on.")  # fmt: skip
@click.option("--grid", metavar="256x101", help="A uniform grid over the domain.")
@click.option("--order", metavar="ORDER",
              help="In which a delta program takes the points: boustrophedon, hilbert or given.  "
                   "[default: boustrophedon on a grid, else hilbert]")  # fmt: skip
@click.option("--lines", type=int, metavar="N",
              help="How many points a delta program streams side by side.  [default: 1]",
              )  # fmt: skip
@click.option("--backend", default="reference", show_default=True, help="See 'pinnir backends'.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path),
              metavar="FIELD.npz")  # fmt: skip
@click.option("--plot", type=click.Path(path_type=Path), metavar="FIELD.png")
@click.option("--smooth", is_flag=False, flag_value="auto", metavar="[CUTOFF]",
              help="Take noise off the field; or keep this share of its frequencies.")  # fmt: skip
@as_json
def run(
    program: Path,
    points: Path | None,
    grid: str | None,
    order: str | None,
    lines: int | None,
    backend: str,
    output: Path,
    plot: Path | None,
    smooth: str | None,
    json_: bool,
) -> None:
    """Run a program file on points and save the field."""
    from time import perf_counter

    from pinnir.domain import parse_grid
    from pinnir.files import check_writable
    from pinnir.held_out import load_labels
    from pinnir.program_file import read
    from pinnir.report.fields import save_field
    from pinnir.report.tables import print_run

    if (points is None) == (grid is None):
        raise click.UsageError("give either --points or --grid")
    if smooth is not None and grid is None:
        raise click.UsageError("--smooth needs a --grid: points have no frequencies")
    for path in filter(None, (output, plot)):
        check_writable(path)
    if plot is not None:
        from pinnir.report.figures import check_format

        check_format(plot)
    loaded = read(program)
    where = parse_grid(grid) if grid is not None else _points(points)
    if smooth is not None:
        from pinnir.smooth import check_grid, parse_cutoff, smooth_run

        check_grid(where)
        cutoff = parse_cutoff(smooth)
    started = perf_counter()
    with _progress(json_) as progress:
        progress(f"running on {backend}")
        if isinstance(where, tuple):
            result = loaded.run_grid(where, backend, order=order, lines=lines)
        else:
            result = loaded.run(where, backend, streaming=loaded.streaming(order, lines))
            labels = None if points is None else load_labels(points)
            result = result if labels is None else result.classified(labels)
        if smooth is not None:
            result = smooth_run(result, where, cutoff)
    seconds = perf_counter() - started
    save_field(output, loaded, where, result)
    if plot is not None:
        from pinnir.report.figures import plot_field

        plot_field(plot, loaded, where, result)
    if json_:
        click.echo(_json({**result.metrics, "layers": result.layers, "seconds": seconds}))
    else:
        print_run(loaded, result, seconds, [p for p in (output, plot) if p is not None])


@main.command()
@click.argument("program", type=click.Path(path_type=Path))
@click.option("--pass", "name", help="Show what this pass changed, by its name or number.")
@click.option("--errors", is_flag=True, help="Show what each layer contributes to the error.")
@click.option("--place", metavar="CHIP",
              help="Show which cores of a chip the units would take, and the spikes between them: "
                   "loihi1, loihi2, spinnaker1 or sanafe.")  # fmt: skip
@click.option("--chips", type=click.IntRange(1, 1024), default=1, show_default=True,
              help="How many chips --place may use.")  # fmt: skip
@click.option("--figure", type=click.Path(path_type=Path), metavar="FILE.png",
              help="Write a picture of --place.")  # fmt: skip
@as_json
def inspect(
    program: Path,
    name: str | None,
    errors: bool,
    place: str | None,
    chips: int,
    figure: Path | None,
    json_: bool,
) -> None:
    """Show what each pass did to a program, its error layer by layer, or its place on a chip."""
    from pinnir.program_file import read
    from pinnir.report.budget import budget_of, budget_row, print_budget
    from pinnir.report.tables import pass_diffs, pass_rows, print_passes

    if errors and name is not None:
        raise click.UsageError("give either --errors or --pass")
    if place is not None:
        if errors or name is not None:
            raise click.UsageError("give either --errors, --pass or --place")
        _inspect_placement(program, place, chips, figure, json_)
        return
    if figure is not None:
        raise click.UsageError("--figure is a picture of --place")
    loaded = read(program)
    if errors:
        budget = budget_of(loaded, program)
        if json_:
            click.echo(_json(budget_row(budget)))
        else:
            print_budget(budget, program)
        return
    if name is None:
        if json_:
            click.echo(_json(pass_rows(loaded)))
        else:
            print_passes(loaded, program)
        return
    diffs = pass_diffs(loaded, name)
    click.echo(_json(diffs) if json_ else "\n".join(f"{d['call']}\n{d['diff']}" for d in diffs))


def _inspect_placement(
    program: Path, chip: str, chips: int, figure: Path | None, json_: bool
) -> None:
    from pinnir.files import check_writable
    from pinnir.place_program import place_program
    from pinnir.program_file import read
    from pinnir.report.figures import check_format
    from pinnir.report.placement import placement_row, plot_placement, print_placement
    from pinnir.target import find_chip

    limits = find_chip(chip)
    if figure is not None:
        check_writable(figure)
        check_format(figure)
    loaded = read(program)
    with _progress(json_) as progress:
        progress(f"placing on {chip}")
        placement, held = place_program(loaded, limits, chips)
    if figure is not None:
        plot_placement(figure, placement, held, loaded)
    if json_:
        click.echo(_json(placement_row(placement, held)))
    else:
        print_placement(placement, held, loaded, program)


@main.command()
@click.argument("model", type=click.Path(path_type=Path), metavar="MODEL.onnx|DIR")
@as_json
@click.pass_context
def check(ctx: click.Context, model: Path, json_: bool) -> None:
    """Say what compiling a model would do with every node, without compiling.

    Exit code 1 means that a model cannot be compiled, 2 that it cannot be read.
    """
    from dataclasses import asdict

    from pinnir.check import check, check_folder
    from pinnir.report.checks import print_report, print_reports

    reports = check_folder(model) if model.is_dir() else [check(model)]
    if json_:
        told = [asdict(report) for report in reports]
        click.echo(_json(told if model.is_dir() else told[0]))
    elif model.is_dir():
        print_reports(reports)
    else:
        print_report(reports[0])
    if not all(report.readable for report in reports):
        ctx.exit(BAD_INPUT)
    if not all(report.compiles for report in reports):
        ctx.exit(REQUIREMENT_NOT_MET)


@main.command()
@click.argument("program", type=click.Path(path_type=Path))
@click.option("--target", default="nir", show_default=True,
              help="nir: one plain file a core; nir-stock: for other simulators' importers as they "
                   "are; c: C99 for microcontrollers; lava: Lava processes; lava-stock: Lava's own "
                   "neurons; lava-netx: these as netx files; sanafe: networks for SANA-FE's "
                   "Loihi; spinnaker: PyNN connection lists.")  # fmt: skip
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), metavar="DIR")
@click.option("--force", is_flag=True, help="Write into a folder that is not empty.")
@as_json
def export(program: Path, target: str, output: Path, force: bool, json_: bool) -> None:
    """Write a program as files for other tools."""
    from pinnir.export import export
    from pinnir.program_file import read

    files = [str(path) for path in export(read(program), target, output, force=force)]
    click.echo(_json(files) if json_ else "\n".join(files))


@main.command()
@click.argument("program", type=click.Path(path_type=Path))
@click.option("--target", required=True,
              help="What is to run: nir-stock, c, cortex-m4, lava, lava-stock, lava-netx, "
                   "sanafe or spinnaker.")  # fmt: skip
@click.option("--points", default=64, show_default=True, type=click.IntRange(1),
              help="On how many points, where the target takes any.")  # fmt: skip
@as_json
def verify(program: Path, target: str, points: int, json_: bool) -> None:
    """Run what a target would run, and compare every event with the oracle.

    Exit code 1 means that something differs, 2 that the target's tools are missing.
    """
    from dataclasses import asdict

    from pinnir.program_file import read
    from pinnir.report.tables import print_verified
    from pinnir.verification import verify

    report = verify(read(program), target, points)
    if json_:
        click.echo(_json(asdict(report)))
    else:
        print_verified(report)


@main.command()
@click.argument("name", metavar="TARGET")
def install(name: str) -> None:
    """Make the Python environments that a target's simulator or mapper runs in.

    They are below ~/.cache/pinnir; docs/targets.md says which variables name another place.
    """
    from pinnir.backends.environments import install

    click.echo("\n".join(map(str, install(name))))


@main.command()
@as_json
def passes(json_: bool) -> None:
    """List the passes and their options."""
    from pinnir.manager import describe
    from pinnir.passes import PASSES

    rows = []
    for name in PASSES:
        does, options = describe(name)
        rows.append({"name": name, "is": does, "options": options})
    _listing(rows, json_)


@main.command()
@as_json
def targets(json_: bool) -> None:
    """List the targets and what they can run."""
    from pinnir.target import TARGETS

    rows = [
        {
            "name": target.name,
            "is": target.summary,
            "codings": list(target.codings),
            "neurons": list(target.neurons),
            "signed-spikes": target.signed_spikes,
            "recurrent": target.recurrent,
            "soft-reset": target.soft_reset,
            "max-neurons": target.max_neurons,
        }
        for target in TARGETS.values()
    ]
    _listing(rows, json_)


@main.command()
@as_json
def backends(json_: bool) -> None:
    """List the backends and whether they are installed."""
    from pinnir.backends import BACKENDS, describe

    _listing([{"name": name, **describe(name)} for name in BACKENDS], json_)


def _listing(rows: list[dict[str, Any]], json_: bool) -> None:
    """One line each: name, what it is, everything else in brackets."""
    if json_:
        click.echo(_json(rows))
        return
    space = max(len(row["name"]) for row in rows)
    for row in rows:
        more = [_told(key, value) for key, value in row.items() if key not in ("name", "is")]
        told = "; ".join(filter(None, more))
        click.echo(f"{row['name']:{space}}  {row['is']}" + (f"  [{told}]" if told else ""))


def _told(key: str, value: Any) -> str:
    if isinstance(value, list):
        return f"{key}: {', '.join(value)}" if value else ""
    if isinstance(value, bool):
        return key if value else f"no {key}"
    return "" if value is None else f"{key}: {value}"


def _points(path: Path | None) -> Any:
    assert path is not None
    from pinnir.domain import load_points

    return load_points(path)["points"]


def _json(value: Any) -> str:
    return json.dumps(value, indent=1)


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[str], None]]:
    """A line on the terminal that says what is being done; nothing in files and pipes."""
    if quiet or not sys.stderr.isatty():
        yield lambda text: None
        return
    from rich.console import Console

    with Console(stderr=True).status("compiling") as status:
        yield lambda text: status.update(text)

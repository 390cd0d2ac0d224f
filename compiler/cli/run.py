"""pinnir run: a program on points or a grid."""

from __future__ import annotations

from pathlib import Path

import click

from pinnir.cli.app import (
    PATH,
    answer,
    as_json,
    of_program,
    output_option,
    path_option,
    progress_line,
)


@click.command()
@of_program
@path_option("--points", "P.npy|P.npz", "Points to run on.")
@click.option("--grid", metavar="256x101", help="A uniform grid over the domain.")
@click.option(
    "--order",
    metavar="ORDER",
    help="In which a delta program takes the points: boustrophedon, hilbert or given.  "
    "[default: boustrophedon on a grid, else hilbert]",
)
@click.option(
    "--lines",
    type=int,
    metavar="N",
    help="How many points a delta program streams side by side.  [default: 1]",
)
@click.option("--backend", default="fast", show_default=True, help="See 'pinnir backends'.")
@output_option("FIELD.npz")
@click.option("--plot", type=PATH, metavar="FIELD.png")
@click.option(
    "--smooth",
    is_flag=False,
    flag_value="auto",
    metavar="[CUTOFF]",
    help="Take noise off the field; or keep this share of its frequencies.",
)
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

    from pinnir.base.files import check_writable
    from pinnir.base.threads import begin_with_one_thread

    begin_with_one_thread()
    from pinnir.points.domain_text import parse_grid
    from pinnir.points.held_out import load_labels
    from pinnir.points.point_files import load_points
    from pinnir.program.reading import read
    from pinnir.program.smoothing import check_grid, parse_cutoff, smooth_run
    from pinnir.report.fields import save_field
    from pinnir.report.figures import check_picture, plot_field
    from pinnir.report.tables import print_run

    if (points is None) == (grid is None):
        raise click.UsageError("give either --points or --grid")
    if smooth is not None and grid is None:
        raise click.UsageError("--smooth needs a --grid: points have no frequencies")
    check_writable(output)
    if plot is not None:
        check_picture(plot)
    loaded = read(program)
    where = load_points(points)["points"] if points is not None else parse_grid(str(grid))
    if smooth is not None:
        check_grid(where)
        cutoff = parse_cutoff(smooth)
    started = perf_counter()
    with progress_line(json_) as progress:
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
        plot_field(plot, loaded, where, result)
    told = {**result.metrics, "layers": result.layers, "seconds": seconds}
    written = [path for path in (output, plot) if path is not None]
    answer(json_, told, print_run, loaded, result, seconds, written)

"""pinnir inspect: what each pass did, where the error comes from, what a chip would hold."""

from __future__ import annotations

from pathlib import Path

import click

from pinnir.cli.app import answer, as_json, of_program, path_option, progress_line, to_json


@click.command()
@of_program
@click.option("--pass", "name", help="Show what this pass changed, by its name or number.")
@click.option("--errors", is_flag=True, help="Show what each layer contributes to the error.")
@click.option(
    "--place",
    metavar="CHIP",
    help="Show which cores of a chip the units would take, and the spikes between them: "
    "loihi1, loihi2, spinnaker1 or sanafe.",
)
@click.option(
    "--chips",
    type=click.IntRange(1, 1024),
    default=1,
    show_default=True,
    help="How many chips --place may use.",
)
@path_option("--figure", "FILE.png", "Write a picture of --place.")
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
    from pinnir.base.threads import begin_with_one_thread

    begin_with_one_thread()
    from pinnir.program.reading import read
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
        answer(json_, budget_row(budget), print_budget, budget, program)
        return
    if name is None:
        answer(json_, pass_rows(loaded), print_passes, loaded, program)
        return
    diffs = pass_diffs(loaded, name)
    click.echo(to_json(diffs) if json_ else "\n".join(f"{d['call']}\n{d['diff']}" for d in diffs))


def _inspect_placement(
    program: Path, chip: str, chips: int, figure: Path | None, json_: bool
) -> None:
    from pinnir.base.chips import find_chip
    from pinnir.program.placing import place_program
    from pinnir.program.reading import read
    from pinnir.report.figures import check_picture
    from pinnir.report.placement import placement_row, plot_placement, print_placement

    limits = find_chip(chip)
    if figure is not None:
        check_picture(figure)
    loaded = read(program)
    with progress_line(json_) as progress:
        progress(f"placing on {chip}")
        placement, held = place_program(loaded, limits, chips)
    if figure is not None:
        plot_placement(figure, placement, held, loaded)
    row = placement_row(placement, held)
    answer(json_, row, print_placement, placement, held, loaded, program)

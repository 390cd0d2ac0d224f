"""pinnir export, verify and install: a program on somebody else's tools."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pinnir.cli.app import answer, as_json, of_program, output_option, to_json

if TYPE_CHECKING:
    from pinnir.backends.verify import Verification


@click.command()
@of_program
@click.option(
    "--target",
    default="nir",
    show_default=True,
    help="nir: one plain file a core; nir-stock: for other simulators' importers as they "
    "are; c: C99 for microcontrollers; lava: Lava processes; lava-stock: Lava's own "
    "neurons; lava-netx: these as netx files; sanafe: networks for SANA-FE's "
    "Loihi; spinnaker: PyNN connection lists.",
)
@output_option("DIR")
@click.option("--force", is_flag=True, help="Write into a folder that is not empty.")
@as_json
def export(program: Path, target: str, output: Path, force: bool, json_: bool) -> None:
    """Write a program as files for other tools."""
    from pinnir.backends.export import export
    from pinnir.program.reading import read

    files = [str(path) for path in export(read(program), target, output, force=force)]
    click.echo(to_json(files) if json_ else "\n".join(files))


@click.command()
@of_program
@click.option(
    "--target",
    required=True,
    help="What is to run: nir-stock, c, cortex-m4, lava, lava-stock, lava-netx, "
    "sanafe or spinnaker.",
)
@click.option(
    "--points",
    default=64,
    show_default=True,
    type=click.IntRange(1),
    help="On how many points, where the target takes any.",
)
@as_json
def verify(program: Path, target: str, points: int, json_: bool) -> None:
    """Run what a target would run, and compare every event with the oracle.

    Exit code 1 means that something differs, 2 that the target's tools are missing.
    """
    from dataclasses import asdict

    from pinnir.backends.verify import verify
    from pinnir.program.reading import read

    found = verify(read(program), target, points)
    answer(json_, asdict(found), print_verified, found)


@click.command()
@click.argument("name", metavar="TARGET")
def install(name: str) -> None:
    """Make the Python environments that a target's simulator or mapper runs in.

    They are below ~/.cache/pinnir; docs/targets.md says which variables name another place.
    """
    from pinnir.backends.environments import install

    click.echo("\n".join(map(str, install(name))))


def print_verified(verification: Verification) -> None:
    """What a verification found."""
    from pinnir.report.tables import print_figures

    found = verification.comparison
    figures = {
        "events compared": f"{found.events:,}",
        "events that differ": f"{found.differing:,}",
        "outputs that differ": f"{found.outputs:,}",
    }
    figures |= {n.replace("_", " "): f"{round(v, 3):,}" for n, v in verification.figures.items()}
    print_figures(f"run as {verification.target}, compared with the oracle", figures)

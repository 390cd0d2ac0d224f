"""What all commands share; exit codes: 0 good, 1 requirement not met, 2 bad input, 3 a bug."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from pinnir.base.errors import PinnirError, RequirementError

# What a click decorator takes and gives.
Command = TypeVar("Command", bound=Callable[..., Any] | click.Command)

REQUIREMENT_NOT_MET, BAD_INPUT, BUG, INTERRUPTED = 1, 2, 3, 130

PATH = click.Path(path_type=Path)

as_json = click.option("--json", "json_", is_flag=True, help="Print JSON for machines.")
of_program = click.argument("program", type=PATH)


def path_option(name: str, metavar: str, help_: str) -> Callable[[Command], Command]:
    """An option that takes the path of a file or folder."""
    return click.option(name, type=PATH, metavar=metavar, help=help_)


def output_option(metavar: str) -> Callable[[Command], Command]:
    """Where a command writes what it is for."""
    return click.option("-o", "--output", required=True, type=PATH, metavar=metavar)


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


def to_json(value: Any) -> str:
    """What ``--json`` prints."""
    return json.dumps(value, indent=1)


def answer(json_: bool, told: Any, show: Callable[..., None], *shown: Any) -> None:
    """Print what was found: as JSON, or by calling ``show`` for people."""
    if json_:
        click.echo(to_json(told))
    else:
        show(*shown)


@contextmanager
def progress_line(quiet: bool) -> Iterator[Callable[[str], None]]:
    """A line on the terminal that says what is being done; nothing in files and pipes."""
    if quiet or not sys.stderr.isatty():
        yield lambda text: None
        return
    from rich.console import Console

    with Console(stderr=True).status("compiling") as status:
        yield lambda text: status.update(text)

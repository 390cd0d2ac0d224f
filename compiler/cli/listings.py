"""pinnir passes, targets and backends: what there is."""

from __future__ import annotations

from typing import Any

import click

from pinnir.cli.app import as_json, to_json


@click.command()
@as_json
def passes(json_: bool) -> None:
    """List the passes and their options."""
    from pinnir.base.registry import summary
    from pinnir.passes import PASSES
    from pinnir.passes.parsing import pass_class

    classes = [pass_class(name) for name in PASSES]
    rows = [{"name": one.name, "is": summary(one), "options": one.options()} for one in classes]
    _listing(rows, json_)


@click.command()
@as_json
def targets(json_: bool) -> None:
    """List the targets and what they can run."""
    from pinnir.base.targets import TARGETS

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


@click.command()
@as_json
def backends(json_: bool) -> None:
    """List the backends and whether they are installed."""
    from pinnir.program.simulators import BACKENDS, describe

    _listing([{"name": name, **describe(name)} for name in BACKENDS], json_)


def _listing(rows: list[dict[str, Any]], json_: bool) -> None:
    """One line each: name, what it is, everything else in brackets."""
    if json_:
        click.echo(to_json(rows))
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

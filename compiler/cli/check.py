"""pinnir check: what compiling a model would do, without compiling."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pinnir.cli.app import BAD_INPUT, BUG, PATH, REQUIREMENT_NOT_MET, as_json, to_json

if TYPE_CHECKING:
    from pinnir.search.preflight import ModelReport


@click.command()
@click.argument("model", type=PATH, metavar="MODEL.onnx|DIR")
@as_json
@click.pass_context
def check(ctx: click.Context, model: Path, json_: bool) -> None:
    """Say what compiling a model would do with every node, without compiling.

    Exit code 1 means that a model cannot be compiled, 2 that it cannot be read, 3 a bug in pinnir.
    """
    from dataclasses import asdict

    from pinnir.search.preflight import preflight, preflight_folder

    reports = preflight_folder(model) if model.is_dir() else [preflight(model)]
    if json_:
        told = [asdict(report) for report in reports]
        click.echo(to_json(told if model.is_dir() else told[0]))
    elif model.is_dir():
        print_reports(reports)
    else:
        print_report(reports[0])
    if any(report.fault for report in reports):
        ctx.exit(BUG)
    if not all(report.readable for report in reports):
        ctx.exit(BAD_INPUT)
    if not all(report.compiles for report in reports):
        ctx.exit(REQUIREMENT_NOT_MET)


def print_report(report: ModelReport) -> None:
    """One model, node by node."""
    from shlex import quote

    from rich.text import Text

    from pinnir.report.tables import console, make_table

    out = console()
    if not report.compiles:
        named = [f"{n.op} '{n.name}': " for n in report.nodes if n.reason == report.reason]
        text = f"error: {named[0] if named else ''}{report.reason}\nhint: {report.hint}"
        out.print(Text(text), soft_wrap=True)
        return
    only = f" with --coding {report.coding}" if report.coding else ""
    out.print(Text(f"{report.model}: compiles{only}"))
    if report.macs == 0:
        out.print("the network has no multiply-accumulates that spikes could take over")
    elif report.core_mac_share is not None:
        out.print(f"{report.core_mac_share:.1%} of its multiply-accumulates spike")
    for line in _inputs(report):
        out.print(Text(line), soft_wrap=True)
    for size in report.sizes:
        beyond = "" if size.fits else ", too large for this machine"
        told = f"{size.levels} levels: about {size}{beyond}"
        out.print(Text(told), soft_wrap=True)
    if report.hint:
        out.print(Text(report.hint))
    if report.nodes:
        headings = ("node", "operator", "runs on", "part", "because it")
        table = make_table(None, headings, left=headings, overflow="fold")
        for node in report.nodes:
            table.add_row(*map(Text, (node.name, node.op, node.where, node.segment, node.reason)))
        out.print(table)
    coding = f" --coding {report.coding}" if report.coding else ""
    domain = quote(report.domain) if set(report.domain) & set('"$`\\!') else f'"{report.domain}"'
    command = f"pinnir compile {report.model} --domain {domain}{coding} -o OUT.nir"
    out.print(Text(command), soft_wrap=True)


def _inputs(report: ModelReport) -> Iterator[str]:
    """What was made of each input, and of its dimensions in the file if these are others."""
    forms = {name: (dimensions, samples) for name, dimensions, samples in report.forms}
    for name, columns, axis in report.inputs:
        samples = "samples" if len({a for _, _, a in report.inputs}) == 1 else f"samples_{axis}"
        line = f"input {name} ({samples}, {'any' if columns is None else columns})"
        dimensions, run = forms.get(name, ((None, columns), ""))
        if len(dimensions) != 2 or isinstance(dimensions[0], int):
            told = ", ".join("any" if size is None else str(size) for size in dimensions)
            line += f": in the file [{told}], {run}"
        yield line


def _verdict(report: ModelReport) -> str:
    if not report.compiles:
        return "no"
    return f"with {report.coding}" if report.coding else "yes"


def print_reports(reports: Sequence[ModelReport]) -> None:
    """Several models, a line each."""
    from rich.text import Text

    from pinnir.ir.graph import CORE
    from pinnir.report.tables import console, make_table

    headings = ("model", "compiles", "spikes", "cores", "domain", "why not")
    table = make_table(None, headings, left=headings, overflow="fold")
    for report in reports:
        share = "" if report.core_mac_share is None else f"{report.core_mac_share:.1%}"
        cores = {node.segment for node in report.nodes if node.where == CORE}
        why = report.reason.partition("\n")[0]
        why += f"; {report.hint}" if report.fault else ""
        told = (_verdict(report), share, str(len(cores) or ""), Text(report.domain), Text(why))
        table.add_row(Text(report.model), *told)
    console().print(table)
    compiled = sum(report.compiles for report in reports)
    console().print(f"{compiled} of {len(reports)} models compile")

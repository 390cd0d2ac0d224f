"""Tables of the pre-flight for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from pinnir.check import CORE, Report
from pinnir.report.tables import console


def print_report(report: Report) -> None:
    """One model, node by node."""
    out = console()
    if not report.compiles:
        out.print(Text(f"error: {report.reason}\nhint: {report.hint}"), soft_wrap=True)
        return
    only = f" with --coding {report.coding}" if report.coding else ""
    out.print(Text(f"{report.model}: compiles{only}"))
    if report.core_mac_share is not None:
        out.print(f"{report.core_mac_share:.1%} of its multiply-accumulates spike")
    for name, columns, axis in report.inputs:
        samples = "samples" if len({a for _, _, a in report.inputs}) == 1 else f"samples_{axis}"
        out.print(Text(f"input {name} ({samples}, {'any' if columns is None else columns})"))
    if report.hint:
        out.print(Text(report.hint))
    if report.nodes:
        table = Table()
        for heading in ("node", "operator", "runs on", "part", "because it"):
            table.add_column(heading, overflow="fold")
        for node in report.nodes:
            table.add_row(*map(Text, (node.name, node.op, node.where, node.segment, node.reason)))
        out.print(table)
    coding = f" --coding {report.coding}" if report.coding else ""
    command = f'pinnir compile {report.model} --domain "{report.domain}"{coding} -o OUT.nir'
    out.print(Text(command), soft_wrap=True)


def _verdict(report: Report) -> str:
    if not report.compiles:
        return "no"
    return f"with {report.coding}" if report.coding else "yes"


def print_reports(reports: Sequence[Report]) -> None:
    """Several models, a line each."""
    table = Table()
    for heading in ("model", "compiles", "spikes", "cores", "domain", "why not"):
        table.add_column(heading, overflow="fold")
    for report in reports:
        share = "" if report.core_mac_share is None else f"{report.core_mac_share:.1%}"
        cores = {node.segment for node in report.nodes if node.where == CORE}
        table.add_row(
            Text(report.model), _verdict(report), share,
            str(len(cores) or ""), Text(report.domain), Text(report.reason.partition("\n")[0]),
        )  # fmt: skip
    console().print(table)
    compiled = sum(report.compiles for report in reports)
    console().print(f"{compiled} of {len(reports)} models compile")

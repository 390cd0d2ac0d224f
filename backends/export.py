"""Exports: a program as a folder of plain files for somebody else's tools.

A new export is one function and one line in the table.
"""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import nir

from pinnir.backends.exported_parts import host_files, program_json
from pinnir.base.errors import PinnirError, ProgramFileError
from pinnir.base.files import write_files
from pinnir.base.registry import imported, look_up
from pinnir.neurons import Integrated
from pinnir.program.nir_graph import to_nir
from pinnir.program.program import Program

# (program) -> contents by file name, which may lie in folders
Exporter = Callable[[Program], dict[str, bytes]]

EXPORTERS: dict[str, str] = {
    "nir": "pinnir.backends.export:plain_nir",
    "nir-stock": "pinnir.backends.nir.write:contents",
    "c": "pinnir.backends.c.write:write",
    "lava": "pinnir.backends.lava.write:write",
    "lava-stock": "pinnir.backends.lava.stock_write:write",
    "lava-netx": "pinnir.backends.lava.netx_write:write",
    "pynn": "pinnir.backends.pynn.write:write",
    "sanafe": "pinnir.backends.sanafe.write:write",
    "spinnaker": "pinnir.backends.spinnaker.write:write",
}


def export(program: Program, target: str, folder: str | Path, *, force: bool = False) -> list[Path]:
    """Write a program as the files of one target, completely or not at all.

    Args:
        program: What to write.
        target: Name in the EXPORTERS table.
        folder: Is made; must be empty if it exists.
        force: Write into a folder that is not empty, over files of the same names.

    Returns:
        The files.

    Raises:
        PinnirError: If there is no such export.
        ProgramFileError: If the folder is not empty or cannot be written.
    """
    exporter: Exporter = imported(look_up(EXPORTERS, target, "export"))
    folder = Path(folder)
    try:
        used = folder.is_dir() and any(folder.iterdir())
        if (folder.exists() and not folder.is_dir()) or (used and not force):
            raise ProgramFileError(
                f"{folder} is not an empty folder", hint="give a new one, or --force"
            )
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            draft.chmod(0o755)
            contents = exporter(program)
            write_files(draft, contents)
            if used:
                for name in contents:
                    (folder / name).parent.mkdir(parents=True, exist_ok=True)
                    (draft / name).replace(folder / name)
            else:
                draft.replace(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        if isinstance(error, PinnirError):
            raise
        raise ProgramFileError(
            f"cannot write {folder}: {error.strerror}", hint="give a writable folder"
        ) from error
    return sorted(path for path in folder.rglob("*") if path.is_file())


def plain_nir(program: Program) -> dict[str, bytes]:
    """Every core as a NIR file of one input and one output, every host part as ONNX.

    ``program.json`` says how they belong together. Of a program for programmable neurons it is the
    population program beside them.

    Raises:
        ProgramFileError: If there is none.
        LegalizeError: If that would be another program: membranes do not equal theirs.
    """
    if not program.cores:
        raise ProgramFileError(
            "NIR cannot say this program: its neurons follow functions and have no levels",
            hint="its file runs with pinnir; or compile the network with another --coding",
        )
    for core in program.running:
        for node in core.nodes:
            if isinstance(node.op, Integrated) and not node.op.in_nir:
                node.op.to_nir()  # which refuses what NIR cannot say
    files = host_files(program)
    for segment in program.segments:
        if segment.core is not None:
            buffer = io.BytesIO()
            nir.write(buffer, to_nir({segment.label: segment.core}))
            files[f"{segment.label}.nir"] = buffer.getvalue()
    files["program.json"] = program_json(
        program,
        {s.label: {"file": f"{s.label}.nir"} for s in program.segments if s.core is not None},
        steps=max((core.steps for core in program.cores), default=1),
        read_out=next((core.read_out for core in program.cores), "last"),
    )
    files["README.md"] = _README.encode()
    return files


_README = """# A spiking program in parts

`program.json` lists the parts in running order. Each takes named values and gives named values;
`inputs` are the network's, with their columns.

- `core.*.nir`: a spiking core, a plain NIR graph with the nodes `input` and `output`. Several
  values that enter stand side by side in its input, in the order of `inputs`; likewise what leaves.
  Hold the input for `steps` steps, all nodes updated in topological order within a step, and take
  the `last` output or the `mean` over the steps, as `read_out` says. Every neuron node repeats its
  comparison and reset in its metadata.
- `host.*.onnx`: floating point work, for any ONNX runtime.

`layouts` gives the dimensions of every value: a number is a length, a list names the sample axes
that run along the dimension. A network of points has one sample axis, a separable one several.
"""

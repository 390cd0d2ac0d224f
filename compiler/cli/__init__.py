"""The commands: arguments in, exit codes out; what they do lies on the floors below."""

from pinnir.cli import check, compile, export, inspect, listings, run
from pinnir.cli.app import main

for command in (
    check.check,
    compile.compile_command,
    export.export,
    export.install,
    export.verify,
    inspect.inspect,
    listings.backends,
    listings.passes,
    listings.targets,
    run.run,
):
    main.add_command(command)

__all__ = ["main"]

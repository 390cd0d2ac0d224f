"""Programs in integers on everything that runs them, in one table.

``python -m benchmarks.targets`` measures what is missing, keeps it in ``docs/targets.json`` and
writes ``docs/targets.md``.
"""

"""The PINN-to-SNN paper's study (Zhang et al., arXiv 2308.16372), with its method and ours.

``python -m benchmarks.paper_a`` measures what is not yet in ``results.json`` (hours on two cores;
``--only PROBLEM`` and ``--rows NAME`` measure a part) and writes ``docs/paper_a.md`` with its
figures. ``--page`` only writes the page.
"""

"""Membranes under constant currents as PyNN scripts, run in their own process by ``run.py``.

PyNN and Brian2 are under the CeCILL licence and are never imported here.
"""

"""Membranes under constant currents as PyNN scripts.

PyNN and Brian2 are under the CeCILL licence; they run in their own process and are never imported
here.
"""

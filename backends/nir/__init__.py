"""The target ``nir``: files for the NIR importers of other simulators.

``write.py`` writes a program as plain NIR and as a stock variant (``stock.py``) that unmodified
importers run right; ``check.py`` runs them, each in an environment of its own
(``environments.py``), and compares every spike with the oracle.
"""

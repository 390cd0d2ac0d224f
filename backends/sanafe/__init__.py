"""SANA-FE's model of Loihi: networks written by ``write.py``, run in its own process by ``run.py``.

SANA-FE is under the GPL and is never imported here.
"""

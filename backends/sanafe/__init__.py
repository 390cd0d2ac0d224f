"""SANA-FE's model of Loihi.

SANA-FE is under the GPL; it runs in its own process and is never imported here.
"""

"""What runs or writes a program elsewhere, a folder each; nothing here changes a program."""

from __future__ import annotations

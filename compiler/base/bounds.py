"""Types of what is stored, with bounds: msgspec checks them where something is read."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta

# Whole numbers that JSON readers of every language hold exactly.
Count: TypeAlias = Annotated[int, Meta(ge=1, le=2**53)]
Natural: TypeAlias = Annotated[int, Meta(ge=0, le=2**53)]
# A magnitude; never NaN or infinite.
Size: TypeAlias = Annotated[float, Meta(ge=0, le=1e300)]
# Number of a sample axis.
Axis: TypeAlias = Annotated[int, Meta(ge=0, le=16)]
Names: TypeAlias = Annotated[tuple[str, ...], Meta(min_length=1)]

"""What passes find out about a graph that several pipelines begin with: it is found once."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar
from weakref import WeakKeyDictionary

from pinnir.ir.graph import Graph
from pinnir.numerics.matrix import Array
from pinnir.pipeline.context import Context

Found = TypeVar("Found")


def once_for_each_graph(
    function: Callable[[Graph, Context], Found],
) -> Callable[[Graph, Context], Found]:
    """A function that looks at a graph's values on the calibration points, with a memory.

    Searches round the same graph to dozens of level counts. What was found is forgotten with the
    graph, and found anew for other points.
    """
    known: WeakKeyDictionary[Graph, tuple[Array, int, Found]] = WeakKeyDictionary()

    @wraps(function)
    def remembered(graph: Graph, context: Context) -> Found:
        points, seed, found = known.get(graph, (None, None, None))
        if points is not context.calibration or seed != context.seed or found is None:
            found = function(graph, context)
            known[graph] = context.calibration, context.seed, found
        return found

    return remembered

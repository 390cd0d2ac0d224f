"""What passes find out about a graph that several pipelines begin with: it is found once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from functools import update_wrapper
from typing import Concatenate, ParamSpec, TypeAlias
from weakref import WeakKeyDictionary

from pinnir.ir.graph import Graph
from pinnir.numerics.matrix import Array
from pinnir.pipeline.context import Context

# Numbers that are kept of one call; what is more is found anew, so that memory does not grow.
_MOST = 2**24

Options = ParamSpec("Options")
Found: TypeAlias = Mapping[str, Array]


def once_for_each_graph(
    function: Callable[Concatenate[Graph, Context, Options], Found],
) -> Callable[Concatenate[Graph, Context, Options], Found]:
    """A function of a graph's values on points, with a memory.

    Searches round the same graph to dozens of level counts. What was found is forgotten with the
    graph, and found anew for other points, another seed or other arguments.
    """
    known: WeakKeyDictionary[Graph, dict[Hashable, tuple[Array, Found]]] = WeakKeyDictionary()

    def remembered(
        graph: Graph, context: Context, /, *args: Options.args, **options: Options.kwargs
    ) -> Found:
        of_graph = known.setdefault(graph, {})
        key = (context.seed, str(context.domain), args, tuple(options.items()))
        points, found = of_graph.get(key, (None, {}))
        if points is not context.calibration:
            found = function(graph, context, *args, **options)
            if sum(value.size for value in found.values()) <= _MOST:
                of_graph[key] = context.calibration, found
        return found

    update_wrapper(remembered, function)
    return remembered

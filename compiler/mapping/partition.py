"""Spread units over cores: greedy packing, recursive bisection, and refinement by moves.

1. *Greedy*: groups from the last layer to the first, so that a layer's listeners are known when
   it is placed; each into the core being filled, or, if it does not fit, into a new one.
2. *Cheapest*: likewise, but into the open core where it adds the fewest messages.
3. *Bisection*: as 2, in the order that recursive bisection of the graph of groups gives
   (B. W. Kernighan and S. Lin, 1970, of networkx), its edges weighted with shared spikes.

Each is refined: groups move to where they save messages, and trade places where there is no room.
Messages only ever fall, so that no result is worse than the greedy packing. The best is taken.
Everything is deterministic for a seed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import networkx
import numpy as np
from networkx.algorithms.community import kernighan_lin_bisection
from scipy.sparse import csr_array

from pinnir.base.chips import Chip
from pinnir.base.errors import LegalizeError
from pinnir.ir.placement import Index, Placement
from pinnir.mapping.connectivity import Connectivity
from pinnir.mapping.packing import Group, Packing, group_of, groups_of
from pinnir.numerics.matrix import Array

GREEDY, CHEAPEST, BISECTION = "greedy", "cheapest", "bisection"
# Rounds over all groups, and groups of a full core that one tries to trade places with.
_ROUNDS, _TRADES = 4, 6
# Share of the messages that counts as saved: less is rounding.
_SAVED = 1e-9
# Edges of a graph that is worth bisecting: more take longer than all the rest.
MOST_EDGES = 100_000


def partition(
    wiring: Connectivity, rates: Array, chip: Chip, chips: int, seed: int
) -> Placement | None:
    """Spread units over the cores of so many chips; None if they do not fit.

    Args:
        wiring: The units and their synapses.
        rates: Mean spikes of every unit per inference, ``(units,)``.
        chip: Its limits.
        chips: How many there are.
        seed: Of the order in which groups move.

    Raises:
        LegalizeError: If a single unit does not fit on a core.
    """
    groups = fitting_groups(wiring, rates, chip)
    empty = Packing(wiring, rates, chip, chips * chip.cores_per_chip)
    if empty.bound(groups) > empty.most:
        return None
    orders = {GREEDY: groups, CHEAPEST: groups}
    affinity = _affinity(groups, empty)
    if affinity.nnz <= 2 * MOST_EDGES:
        orders[BISECTION] = _bisected(groups, affinity, empty, seed)
    found: dict[str, tuple[Packing, list[Group]]] = {}
    for method, order in orders.items():
        packing = empty.copy()
        placed = pack(packing, order, method)
        if placed is not None:
            found[method] = packing, placed
    if not found:
        return None
    greedy = found[GREEDY][0].messages() if GREEDY in found else None
    for packing, placed in found.values():
        _refine(packing, placed, seed)
    method = min(found, key=lambda name: (found[name][0].messages(), found[name][0].used))
    best = found[method][0]
    cores = wiring.by_population(best.numbered())
    return Placement(chip, chips, cores, best.messages(), greedy, method)


def fitting_groups(wiring: Connectivity, rates: Array, chip: Chip) -> list[Group]:
    """Groups that fit on an empty core: those of single neurons, split where they do not.

    Raises:
        LegalizeError: If a single unit does not.
    """
    waiting, found = groups_of(wiring)[::-1], []
    core = Packing(wiring, rates, chip, 1)
    while waiting:
        group = waiting.pop()
        limit = core.broken(group, 0)
        if limit is None:
            found.append(group)
        elif group.units.size > 1:
            waiting += _halves(wiring, group)[::-1]
        else:
            raise LegalizeError(
                f"a unit that hears {group.sources.size:,} others does not fit on a core of "
                f"{chip.name}, which has too little room for {limit}",
                node=wiring.name_of(int(group.units[0])),
                hint="compile with fewer levels or units per neuron, or for another chip",
            )
    return found


def _halves(wiring: Connectivity, group: Group) -> list[Group]:
    middle = group.units.size // 2
    return [group_of(wiring, part) for part in np.split(group.units, [middle])]


def pack(packing: Packing, order: Sequence[Group], method: str) -> list[Group] | None:
    """Place groups, the last one first; split those that no core has room for.

    Args:
        packing: Without any groups; is filled.
        order: The groups. What hears a group should come behind it.
        method: GREEDY looks at the core that is being filled, others take the cheapest.

    Returns:
        The groups as they were placed, or None if there are not enough cores.
    """
    waiting, placed = list(order), []
    while waiting:
        group = waiting.pop()
        core = packing.fits(group, _candidates(packing, group, method))
        if (
            core is None
            and packing.used < packing.most
            and packing.broken(group, packing.used) is None
        ):
            core = packing.open()
        if core is not None:
            packing.put(group, core)
            placed.append(group)
        elif group.units.size > 1:
            waiting += _halves(packing.wiring, group)
        else:
            return None
    return placed


def _candidates(packing: Packing, group: Group, method: str) -> Sequence[int]:
    if method == GREEDY:
        return range(max(0, packing.used - 1), packing.used)
    found: list[int] = np.argsort(packing.costs(group), kind="stable").tolist()
    return found


def _bisected(
    groups: Sequence[Group], affinity: csr_array, empty: Packing, seed: int
) -> list[Group]:
    """The groups part by part, parts in running order."""
    graph = networkx.from_scipy_sparse_array(affinity)
    graph.remove_edges_from(list(networkx.selfloop_edges(graph)))
    parts = _bisect(graph, list(range(len(groups))), groups, empty, seed)
    return [groups[i] for part in sorted(parts, key=np.mean) for i in part]


def _affinity(groups: Sequence[Group], empty: Packing) -> csr_array:
    """How many spikes groups share, as senders or listeners, ``(groups, groups)``.

    A unit's own group and those that hear it are a hyperedge, which costs a message for each
    further core that it touches. It is told as edges between all of them, each weighted
    ``rate / (groups - 1)`` (clique model).
    """
    member = np.repeat(np.arange(len(groups)), [g.sources.size + g.units.size for g in groups])
    unit = np.concatenate([part for g in groups for part in (g.sources, g.units)])
    shape = (len(groups), empty.wiring.units)
    touched = csr_array((np.ones(unit.size), (member, unit)), shape=shape)
    touched.data[:] = 1.0  # a group that hears itself
    size = np.bincount(touched.indices, minlength=empty.wiring.units)
    scaled = touched.multiply(empty.rates / np.maximum(size - 1, 1))
    return csr_array(scaled @ touched.T)


def _bisect(
    graph: networkx.Graph,
    members: list[int],
    groups: Sequence[Group],
    empty: Packing,
    seed: int,
) -> Iterator[list[int]]:
    """Parts of the members, each of which about fits on a core."""
    if len(members) < 2 or empty.bound([groups[i] for i in members]) <= 1:
        yield members
        return
    middle = len(members) // 2
    halves = set(members[:middle]), set(members[middle:])
    inside = graph.subgraph(members)
    if inside.number_of_edges():
        halves = kernighan_lin_bisection(inside, halves, weight="weight", seed=seed)
    for half in sorted(halves, key=min):
        yield from _bisect(graph, sorted(half), groups, empty, seed)


def _refine(packing: Packing, groups: Sequence[Group], seed: int) -> None:
    """Move groups, and let them trade places, as long as that saves messages."""
    rng = np.random.default_rng(seed)
    owner = np.empty(packing.wiring.units, np.int64)
    for i, group in enumerate(groups):
        owner[group.units] = i
    for _ in range(_ROUNDS):
        before = packing.messages()
        for i in rng.permutation(len(groups)):
            _improve(packing, groups, owner, int(i), rng)
        if packing.messages() >= before * (1 - 1e-3):
            return


def _improve(
    packing: Packing, groups: Sequence[Group], owner: Index, i: int, rng: np.random.Generator
) -> None:
    """Move a group to the cheapest core that has room, or trade places on the cheapest one."""
    group = groups[i]
    home = packing.take(group)
    costs = packing.costs(group)
    order = np.argsort(costs, kind="stable")
    better = order[costs[order] < costs[home] - _SAVED * (1 + costs[home])].tolist()
    core = packing.fits(group, better)
    if core is not None or not better:
        packing.put(group, home if core is None else core)
        return
    there = np.unique(owner[packing.core == better[0]])
    for j in rng.permutation(there)[:_TRADES]:
        if _trade(packing, group, home, groups[j], float(costs[home])):
            return
    packing.put(group, home)


def _trade(packing: Packing, group: Group, home: int, other: Group, cost: float) -> bool:
    """Put a group, which is nowhere, in the place of another, and that one on its ``home``."""
    core = packing.take(other)
    before = cost + packing.costs(other)[core]
    if packing.broken(group, core) is None:
        after = packing.costs(group)[core]
        packing.put(group, core)
        after += packing.costs(other)[home]
        if after < before - _SAVED * (1 + before) and packing.broken(other, home) is None:
            packing.put(other, home)
            return True
        packing.take(group)
    packing.put(other, core)
    return False

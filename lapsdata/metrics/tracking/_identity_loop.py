"""The pairing of identities over a whole sequence that has the most boxes right, on the sparse graph of pairs."""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

from lapsdata.compiling import compile_loop

__all__ = ["most_paired"]

Ints = NDArray[np.int64]


def _most_paired(start: Ints, other: Ints, weight: Ints, others: int) -> int:
    """Return the most weight that pairs can have in sum where each identity is in one of them at most.

    Pairs of identity `i` are `start[i]` to `start[i + 1]` of `other` (below `others`) and `weight` (above 0). Shortest
    augmenting paths, as in a dense matrix where every identity has a partner of its own that is worth nothing: a path
    stays inside of the connected component that it begins in, so that time and memory go by the pairs there are.
    """
    count = len(start) - 1
    u, v = np.zeros(count, np.int64), np.zeros(others, np.int64)
    owner, partner = np.full(others, -1), np.full(count, -1)
    distance, came_from = np.full(others, -1), np.empty(others, np.int64)
    closed, seen = np.zeros(others, np.bool_), np.empty(others, np.int64)
    for first in range(count):
        if start[first] == start[first + 1]:
            continue
        # All costs of this row are raised by its heaviest pair, so that no distance is below 0.
        heaviest = 0
        for k in range(start[first], start[first + 1]):
            heaviest = max(heaviest, weight[k] + v[other[k]])
        u[first] = -heaviest
        queue = [(np.int64(0), np.int64(0))]
        queue.pop()
        row, reached, seen_count = first, np.int64(0), 0
        sink, alone, alone_at = np.int64(-1), first, -u[first]
        while True:
            for k in range(start[row], start[row + 1]):
                j = other[k]
                through = reached - weight[k] - u[row] - v[j]
                if distance[j] < 0:
                    seen[seen_count] = j
                    seen_count += 1
                if distance[j] < 0 or (not closed[j] and through < distance[j]):
                    distance[j] = through
                    came_from[j] = row
                    heapq.heappush(queue, (through, j))
            if reached - u[row] < alone_at:
                alone_at, alone = reached - u[row], row
            while len(queue) > 0 and closed[queue[0][1]]:
                heapq.heappop(queue)
            if len(queue) == 0 or queue[0][0] >= alone_at:
                reached = alone_at
                break
            reached, j = heapq.heappop(queue)
            if owner[j] < 0:
                sink = j
                break
            closed[j] = True
            row = owner[j]
        u[first] += reached
        for k in range(seen_count):
            j = seen[k]
            if closed[j]:
                u[owner[j]] += reached - distance[j]
                v[j] -= reached - distance[j]
        # Along the path everyone takes the next one; at its end stands a free one, or one who stays alone.
        if sink < 0 and alone != first:
            sink = partner[alone]
            partner[alone] = -1
        while sink >= 0:
            row = came_from[sink]
            owner[sink] = row
            partner[row], sink = sink, partner[row]
            if row == first:
                break
        for k in range(seen_count):
            distance[seen[k]] = -1
            closed[seen[k]] = False
    total = 0
    for i in range(count):
        for k in range(start[i], start[i + 1]):
            if partner[i] == other[k]:
                total += weight[k]
    return total


most_paired = compile_loop(_most_paired, nogil=True)

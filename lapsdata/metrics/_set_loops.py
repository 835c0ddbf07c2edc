"""Loops over many sets of boundaries of many videos: compiled, and without the interpreter's lock.

All times are ticks. The true boundaries of all videos stand one after another, and so do the found ones of all sets:
video by video, and within a video set by set, as many sets for each. Those of video `v` are `true[starts[v]:starts[v +
1]]`, those of its set `r` of `sets` are `found[places[v * sets + r]:places[v * sets + r + 1]]`. Each list rises.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from lapsdata.compiling import compile_loop

__all__ = ["cover", "distances", "pair_greedily", "pair_most"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_loop = functools.partial(compile_loop, nogil=True)


@_loop
def pair_most(true: Ints, starts: Ints, found: Ints, places: Ints, tolerance: int, hits: Ints) -> None:
    """Count the pairs of each set, as many as there can be: walk both lists, and pair whatever can be paired.

    `hits (V, sets)` is filled.
    """
    videos, sets = hits.shape
    for video in range(videos):
        first, last = starts[video], starts[video + 1]
        for drawn in range(sets):
            at = places[video * sets + drawn]
            end = places[video * sets + drawn + 1]
            i = first
            count = 0
            while i < last and at < end:
                apart = found[at] - true[i]
                if apart > tolerance:
                    i += 1
                elif apart < -tolerance:
                    at += 1
                else:
                    count += 1
                    i += 1
                    at += 1
            hits[video, drawn] = count


@_loop
def pair_greedily(true: Ints, starts: Ints, found: Ints, places: Ints, tolerance: int, hits: Ints) -> None:
    """Count the pairs of each set where each true boundary, in order, takes the nearest free one, of two the earlier.

    `before[j]` and `behind[j]` lead to the nearest free boundary up to and from number j - 1, and shorten as they are
    followed.
    """
    videos, sets = hits.shape
    longest = 0
    for k in range(len(places) - 1):
        longest = max(longest, places[k + 1] - places[k])
    before = np.empty(longest + 2, np.int64)
    behind = np.empty(longest + 2, np.int64)
    for video in range(videos):
        for drawn in range(sets):
            first = places[video * sets + drawn]
            size = places[video * sets + drawn + 1] - first
            for j in range(size + 2):
                before[j] = j
                behind[j] = j
            after = 1
            count = 0
            for i in range(starts[video], starts[video + 1]):
                while after <= size and found[first + after - 1] < true[i]:
                    after += 1
                left = after - 1
                while before[left] != left:
                    before[left] = before[before[left]]
                    left = before[left]
                right = after
                while behind[right] != right:
                    behind[right] = behind[behind[right]]
                    right = behind[right]
                nearest = 0
                if left > 0 and true[i] - found[first + left - 1] <= tolerance:
                    nearest = left
                if right <= size:
                    apart = found[first + right - 1] - true[i]
                    nearer = left == 0 or apart < true[i] - found[first + left - 1]
                    if apart <= tolerance and nearer:
                        nearest = right
                if nearest:
                    count += 1
                    before[nearest] = nearest - 1
                    behind[nearest] = nearest + 1
            hits[video, drawn] = count


@_loop
def distances(true: Ints, starts: Ints, found: Ints, places: Ints, to_found: Ints, firsts: Ints, to_true: Ints) -> None:
    """Measure how far each boundary is from the nearest one of the other side, where both sides have any.

    `to_found[firsts[v * sets + r]:]` is filled for each set with as many distances as the video has true boundaries,
    `to_true` as `found` lies.
    """
    videos = len(starts) - 1
    sets = (len(places) - 1) // max(videos, 1)
    for video in range(videos):
        first, last = starts[video], starts[video + 1]
        for drawn in range(sets):
            k = video * sets + drawn
            low, end = places[k], places[k + 1]
            if first == last or low == end:
                continue
            at = low
            for i in range(first, last):
                while at + 1 < end and abs(found[at + 1] - true[i]) <= abs(found[at] - true[i]):
                    at += 1
                to_found[firsts[k] + i - first] = abs(found[at] - true[i])
            i = first
            for at in range(low, end):
                while i + 1 < last and abs(true[i + 1] - found[at]) <= abs(true[i] - found[at]):
                    i += 1
                to_true[at] = abs(true[i] - found[at])


@_loop
def cover(true: Ints, starts: Ints, found: Ints, places: Ints, begins: Ints, ends: Ints, covering: Floats) -> None:
    """Measure how well the parts that each set makes of a video cover the true ones; see `partition.covering`.

    `begins` and `ends` are the times of the videos; `covering (V, sets)` is filled.
    """
    videos, sets = covering.shape
    for video in range(videos):
        begin, end = begins[video], ends[video]
        for drawn in range(sets):
            low, high = places[video * sets + drawn], places[video * sets + drawn + 1]
            at = low
            total = 0.0
            part = begin
            for i in range(starts[video], starts[video + 1] + 1):
                stop = true[i] if i < starts[video + 1] else end
                best = 0.0
                # The found part that holds the start of this one ends at `at`.
                while at < high and found[at] <= part:
                    at += 1
                j = at
                from_ = found[j - 1] if j > low else begin
                while from_ < stop:
                    to = found[j] if j < high else end
                    shared = min(stop, to) - max(part, from_)
                    if shared > 0:
                        best = max(best, shared / ((stop - part) + (to - from_) - shared))
                    if j >= high:
                        break
                    from_ = to
                    j += 1
                total += best * (stop - part)
                part = stop
            covering[video, drawn] = total / (end - begin)

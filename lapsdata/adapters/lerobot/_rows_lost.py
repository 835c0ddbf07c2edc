"""What is to be said of rows and frames of files of HDF5 that became a set of LeRobot."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.errors import Problem, listed, spans_told
from lapsdata.schema.episodes import IS_NULL

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from numpy.typing import NDArray

    from lapsdata.containers import Episodes
    from lapsdata.schema import Feature

__all__ = ["rows_notes"]

_STATE = "observation.state"
_CHANNELS = (1, 3, 4)
# A matrix of fewer numbers is a pose, and no picture.
_PICTURE = 1024


def rows_notes(
    where: str, episodes: Episodes, kept: NDArray[np.bool_], names: Mapping[str, str], cameras: Collection[str]
) -> Iterator[Problem]:
    """Yield what has changed of columns, frames and numbers, and what a user of LeRobot will miss.

    Parameters
    ----------
    where : str
        The source, for the messages.
    episodes : Episodes
        Of the source.
    kept : bool (E,)
    names : mapping of str
        New names of what is written, by the old ones.
    cameras : collection of str
        Those that are written, by their old names.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_episodes
    >>> found = list(rows_notes("demo.hdf5", sample_episodes(), np.array([True] * 3), {"action": "action"}, []))
    >>> [note.code for note in found]
    ['dropped', 'episodes-numbered', 'no-state']
    """
    header, number = episodes.header, episodes.number
    if renamed := [f"{old} is {new}" for old, new in names.items() if old != new]:
        yield Problem("renamed", where, f"called as in LeRobot: {', '.join(renamed)}", None, "info")
    every = {*(one.name for one in header.features), *(one.name for one in header.cameras)}
    if dropped := sorted(every - names.keys()):
        yield Problem("dropped", where, f"left out: {', '.join(dropped)}", None, "info")
    yield from _of_numbers(where, number, kept)
    if _STATE not in names.values():
        message = f"no column is called {_STATE}, which policies of LeRobot and GR00T look for"
        yield Problem("no-state", where, message, f"say which is: --rename OLD={_STATE}", "info")
    features = [one for one in header.features if one.name in names]
    if nullable := [one.name for one in features if one.nullable]:
        message = f"rows of {listed(nullable)} have no value where <name>{IS_NULL} says so: they are null again"
        yield Problem("nulls-restored", where, message, None, "info")
    yield from _of_shapes(where, features)
    encoded = [one.name for one in header.cameras if one.name in cameras and one.stored == "encoded"]
    if cameras:
        message = f"frames of {listed(sorted(cameras))} became videos (h264), which are not the same to the pixel"
        yield Problem("frames-encoded", where, message, "keep the source", "warning")
    if encoded:
        message = (
            f"images of {listed(encoded)} were decoded with the colours that their files say; some recorders of ALOHA"
            " write red for blue"
        )
        yield Problem("colours-as-stored", where, message, "look at a frame: lapsdata inspect --png", "warning")


def _of_numbers(where: str, number: NDArray[np.int64], kept: NDArray[np.bool_]) -> Iterator[Problem]:
    there = number[kept]
    told = "their names stand in meta/episodes (source_episode)"
    if not kept.all():
        message = f"{len(there)} of {len(number)} episodes are kept, {spans_told(there.tolist())}"
        yield Problem("episodes-kept", where, f"{message}: they are numbered from 0 now, {told}", None, "info")
    elif not np.array_equal(there, np.arange(len(there))):
        message = f"episodes {spans_told(there.tolist())} are numbered from 0 now: {told}"
        yield Problem("episodes-numbered", where, message, None, "info")


def _of_shapes(where: str, features: Collection[Feature]) -> Iterator[Problem]:
    if single := [one.name for one in features if one.shape == (1,)]:
        message = f"a row of {listed(single)} is a list of one number, which LeRobot does not tell from a number"
        yield Problem("single-numbers", where, message, None, "info")
    pictures = [one for one in features if len(one.shape) > 1 and math.prod(one.shape) >= _PICTURE]
    first = [one for one in pictures if _channels_first(one)]
    for code, ones, told, fix in (
        ("channels-first", first, "pictures with channels first", "write them as (N, H, W, 3)"),
        ("pictures-as-numbers", [one for one in pictures if one not in first], "pictures that are no RGB", None),
    ):
        if ones:
            named = listed([f"{one.name} {one.dtype} {one.shape}" for one in ones])
            message = f"{named} look like {told}: they are columns of numbers, and no cameras"
            yield Problem(code, where, message, fix or "leave them out where they are not needed: --drop", "warning")


def _channels_first(one: Feature) -> bool:
    return one.dtype == "uint8" and len(one.shape) == 3 and one.shape[0] in _CHANNELS and one.shape[2] not in _CHANNELS

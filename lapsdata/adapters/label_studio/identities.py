"""Who the boxes of a sequence are: ids of any spelling become numbers, the same ones each time a file is read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lapsdata.adapters.label_studio.regions import Region

__all__ = ["Identity", "identities_of", "numbered", "text_tells"]

Identity = str | int | None
"""Who a box is, as its file spells it; None for nobody."""

# 18 digits fit into an int64.
_NUMBERED = re.compile(r"(\D*)(\d{1,18})", re.ASCII)


def identities_of(regions: Sequence[Region], *, by_text: bool) -> list[Identity]:
    """Return who each box is: its `track_id`, or what is said of it in words, or else the id of its region."""
    found: list[Identity] = []
    for region in regions:
        if region.track is not None or region.unknown:
            found.append(region.track)
        else:
            found.append(region.text if by_text else region.id)
    return found


def text_tells(boxes: Sequence[tuple[int, Region]]) -> bool:
    """Say whether the words beside the boxes of a sequence are identities.

    All boxes have them, none stands twice in a frame, and some stand in several frames.

    Parameters
    ----------
    boxes : sequence of (int, Region)
        With the frame of each.
    """
    told = {(frame, region.text) for frame, region in boxes if region.text is not None}
    return len(told) == len(boxes) > len({text for _, text in told})


def numbered(identities: Sequence[Sequence[Identity]]) -> list[NDArray[np.int64]]:
    """Return a number for each identity, -1 for None.

    Where all of them end with a number behind the same word, and no two with the same one, it is that: 7 for `track_7`.
    Else they are counted from 1, in each sequence for itself, in the order in which they first stand there.

    Parameters
    ----------
    identities : sequence of sequence
        Of each sequence, in order of frames.

    Examples
    --------
    >>> [one.tolist() for one in numbered([["track_7", None], ["track_0", "track_7"]])]
    [[7, -1], [0, 7]]
    >>> numbered([["qwe", "rty", "qwe"]])[0].tolist()
    [1, 2, 1]
    """
    every = {one for several in identities for one in several if one is not None}
    spelled = {one: _NUMBERED.fullmatch(str(one)) for one in every}
    words = {None if found is None else found[1] for found in spelled.values()}
    own = {one: int(found[2]) for one, found in spelled.items() if found is not None}
    if len(words) <= 1 and len(own) == len(every) and len(set(own.values())) == len(every):
        return [np.array([-1 if one is None else own[one] for one in several], np.int64) for several in identities]
    counted = []
    for several in identities:
        number: dict[Identity, int] = {None: -1}
        for one in several:
            number.setdefault(one, len(number))
        counted.append(np.array([number[one] for one in several], np.int64))
    return counted

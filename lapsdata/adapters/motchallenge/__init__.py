"""Rows of tracked boxes as MOTChallenge has them: MOT15, MOT16, MOT17, MOT20, SportsMOT, DanceTrack, and results.

`places` finds the files of sequences and trackers, `columns` tells what their columns mean, `classes` what numbers are
called, `seqinfo` what a sequence says of itself; `reading` puts them together, and `writing` writes such files.
`trackeval` finds truth and results as TrackEval's own options name them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.adapters._adapter import Adapter, Writer
from lapsdata.adapters.motchallenge.places import is_place
from lapsdata.adapters.motchallenge.reading import read
from lapsdata.adapters.motchallenge.trackeval import TrackEvalSequence, read_seqmap, trackeval_sequences
from lapsdata.adapters.motchallenge.writing import TARGETS, write_rows

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["PLUGIN", "TrackEvalSequence", "read", "read_seqmap", "trackeval_sequences", "write_rows"]


def recognises(path: Path) -> str | None:
    """Return "boxes" for a file of such rows, a sequence, a tracker's results, and folders of these."""
    return "boxes" if is_place(path) else None


PLUGIN = Adapter(
    "motchallenge",
    "Rows of tracked boxes as MOTChallenge has them: MOT15 to MOT20, SportsMOT, DanceTrack, results of trackers",
    recognises,
    read,
    takes=frozenset({"classes", "rate", "size", "whose", "first_number", "pixels"}),
    writer=Writer("boxes", write_rows, frozenset({"to"}), TARGETS),
)

"""The true segments of a split, written down: what the scores, the report and the next run are held against."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from lapsdata.adapters import mstcn
from lapsdata.containers import Segments
from lapsdata.provenance import marked_synthetic, parent, provenance, synthetic_note
from lapsdata.stages._header_key import key_now, key_of
from lapsdata.stages._output import Output, settle

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pydantic import JsonValue

    from lapsdata.errors import Problem
    from lapsdata.schema.base import Provenance
    from lapsdata.timebase import FrameRate

__all__ = ["write_split_truth"]

_STAGE = "truth"


def write_split_truth(
    root: Path, out: Path, *, rate: FrameRate, split: str, videos: Sequence[str], force: bool = False
) -> tuple[Output[Segments], tuple[Problem, ...], str | None]:
    r"""Write the true segments of a split of a data set in the layout of MS-TCN; what was written so already is kept.

    Parameters
    ----------
    root : Path
        The folder with `groundTruth` and `splits`.
    out : Path
        A file of segments.
    rate : FrameRate
        Labels per second.
    split : str
        As `test.split1`.
    videos : sequence of str
        Those that are taken, in the order of the split.
    force : bool

    Returns
    -------
    output : Output
    problems : tuple of Problem
        What the labels call for to be told.
    synthetic : str or None
        What is said of videos that only stand in for the data set.

    Raises
    ------
    SchemaError, StorageError
        As `lapsdata.adapters.mstcn.read`; or something else is in the place of the output.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.testing.made_up_labels import write_made_up_labels
    >>> from lapsdata.timebase import FrameRate
    >>> root = pathlib.Path(tempfile.mkdtemp())
    >>> write_made_up_labels(root)
    >>> told = {"rate": FrameRate(15), "split": "test.split1", "videos": ["S1_Tea_C1"]}
    >>> [write_split_truth(root, root / "truth.parquet", **told)[0].fate for _ in range(2)]
    ['made', 'kept']
    """
    from lapsdata.formats import read, write

    # The labels alone: the digest of the folder around them would be that of the videos too.
    labels = root / "groundTruth"
    adapted = mstcn.read(labels, rate=rate, split=split)
    whole = cast("Segments", adapted.container)
    synthetic = synthetic_note(whole.header.provenance)
    parents = [parent("labels", labels), parent("split", root / "splits" / f"{split}.bundle")]
    told: dict[str, JsonValue] = {"rate": str(rate), "split": split, "videos": list(videos), "synthetic": synthetic}

    def known(path: Path) -> tuple[str | None, Segments]:
        found = read(path, Segments)
        return key_of(_STAGE, found.header.provenance), found

    def make(overwrite: bool) -> Segments:
        made = marked_synthetic(provenance(parameters=told, parents=parents), synthetic)
        truth = _of_videos(whole, videos, made)
        write(out, truth, overwrite=overwrite)
        return truth

    output = settle(out, key_now(_STAGE, told, parents), read=known, make=make, force=force)
    return output, tuple(adapted.notes), synthetic


def _of_videos(whole: Segments, names: Sequence[str], made: Provenance) -> Segments:
    """Return the segments of some videos."""
    wanted = frozenset(names)
    numbers = [at for at, video in enumerate(whole.header.videos) if video.name in wanted]
    rows = np.flatnonzero(np.isin(whole.video_index, numbers))
    header = whole.header.model_copy(
        update={"provenance": made, "videos": tuple(whole.header.videos[at] for at in numbers)}
    )
    return Segments(
        header,
        np.searchsorted(numbers, whole.video_index[rows]),
        whole.start_s[rows],
        whole.end_s[rows],
        tuple(whole.end_reason[at] for at in rows),
        tuple(whole.label[at] for at in rows),
    )

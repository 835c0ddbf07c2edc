"""Pictures of a tracking result as a folder: beside them lies the result itself, by which the folder is known."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from lapsdata import console
from lapsdata.errors import LapsError, Problem, StorageError, listed
from lapsdata.metrics.tracking.matches import track_matches
from lapsdata.provenance import CodeDigestWarning, synthetic_note
from lapsdata.report._sheet import png_bytes
from lapsdata.report.tracking_pictures import MatchedSequence, draw_picture, picture_notes, tracking_pictures
from lapsdata.schema.tracking import TrackingResult
from lapsdata.storage.atomic import atomic_folder, existing, refuse_existing, storage_errors
from lapsdata.storage.sealed_json import read_sealed_json, write_sealed_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lapsdata.containers import Boxes

__all__ = ["expect_pictures_place", "write_tracking_pictures"]

_SCORES = "scores.json"


def expect_pictures_place(folder: Path, *, overwrite: bool = False) -> None:
    """Refuse a place for pictures that is taken, unless only what was drawn there before would be replaced.

    Raises
    ------
    StorageError
        Something is there, and may not be replaced, or is not pictures alone; or the folder that it would lie in is not
        there.

    Examples
    --------
    >>> import pathlib
    >>> expect_pictures_place(pathlib.Path("nowhere"))
    """
    refuse_existing(folder, overwrite, fix="pass --force to replace it, or name another folder")
    if not folder.exists():
        existing(folder.absolute().parent)
        return
    fix = "move it away, or name another folder"
    if not folder.is_dir():
        raise StorageError(Problem("wrong-kind", str(folder), "expected a folder of pictures, got a file", fix))
    with storage_errors(folder, "read"):
        there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    foreign = sorted(there - _drawn_before(folder))
    if foreign:
        message = f"expected pictures of scores and nothing else, got {listed(foreign)}"
        raise StorageError(Problem("foreign-file", str(folder), message, fix))


def _drawn_before(folder: Path) -> set[str]:
    """Return the files that the result in a folder has made there; none where there is no result."""
    try:
        with warnings.catch_warnings():
            # Whether other code has drawn them is of no matter: they are replaced.
            warnings.simplefilter("ignore", CodeDigestWarning)
            result = read_sealed_json(folder / _SCORES, TrackingResult)
    except LapsError:
        return set()
    return {_SCORES, *(picture.path for picture in tracking_pictures(result))}


def write_tracking_pictures(
    folder: Path, result: TrackingResult, truth: Boxes, trackers: Mapping[str, Boxes], *, overwrite: bool = False
) -> tuple[Problem, ...]:
    """Write all pictures of a result, and the result as `scores.json`; all or nothing.

    Parameters
    ----------
    folder : Path
        Its parent must exist.
    result : TrackingResult
    truth : Boxes
    trackers : mapping of str to Boxes
        What was scored, by the names of the result's trackers.
    overwrite : bool
        Replace what was drawn there before.

    Returns
    -------
    tuple of Problem
        What is in no picture, counted, at severity "info".

    Raises
    ------
    StorageError
        As `expect_pictures_place`; or it cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.metrics.tracking.evaluation import evaluate_tracking
    >>> from lapsdata.testing.samples import sample_tracked
    >>> truth, found = sample_tracked()
    >>> folder = pathlib.Path(tempfile.mkdtemp()) / "pictures"
    >>> write_tracking_pictures(folder, evaluate_tracking(truth, {"ours": found}), truth, {"ours": found})
    ()
    >>> sorted(path.name for path in folder.iterdir())[:3]
    ['detection_confusion.png', 'frames', 'hota_over_alpha.png']
    """
    expect_pictures_place(folder, overwrite=overwrite)
    sequences = _matched(result, truth, trackers)
    pictures = list(tracking_pictures(result))
    note = synthetic_note(result.provenance)
    with (
        atomic_folder(folder, overwrite=overwrite) as made,
        console.progress("drawing", len(pictures), unit="pictures") as advance,
    ):
        write_sealed_json(made / _SCORES, result)
        for picture in pictures:
            path = made / picture.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png_bytes(draw_picture(picture, result, sequences, note)))
            advance(1)
    return picture_notes(result, sequences)


def _matched(result: TrackingResult, truth: Boxes, trackers: Mapping[str, Boxes]) -> dict[str, MatchedSequence]:
    """Match anew what the result has scored, frame by frame: the record holds no frames."""
    rules = result.rules
    found = {
        name: track_matches(
            truth, boxes, profile=rules.profile, labels=rules.labels, threshold=rules.threshold, frames=rules.frames,
            rules=rules.rules,
        )
        for name, boxes in trackers.items()
    }  # fmt: skip
    return {
        one.name: MatchedSequence(
            one.name, one.length, one.first_number, {name: each[one.name] for name, each in found.items()}
        )
        for one in truth.header.sequences
    }

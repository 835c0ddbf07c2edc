"""The pictures of a tracking result: which there are, what they are called, and what of the result is not in them.

Of several classes, those of all classes together stand in front, and each class has a folder. What happens over time is
a picture for each sequence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from lapsdata.errors import Problem
from lapsdata.metrics._words import plural
from lapsdata.report._tracking_numbers import MOST_TRACKERS, drawn_rows
from lapsdata.report._tracking_tables import MOST_SEQUENCES, drawn_sequences
from lapsdata.report._tracking_time import MatchedSequence, longest_ids
from lapsdata.report.file_stems import file_stem
from lapsdata.report.tracking_alphas import draw_tracking_alphas
from lapsdata.report.tracking_bars import draw_tracking_losses, draw_tracking_overview
from lapsdata.report.tracking_confusion import draw_tracking_confusion
from lapsdata.report.tracking_dashboard import draw_tracking_dashboard
from lapsdata.report.tracking_frames import draw_tracking_frames
from lapsdata.report.tracking_timeline import draw_tracking_timeline, most_tracks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import numpy as np
    import numpy.typing as npt

    from lapsdata.schema.tracking import TrackingResult

    Image = npt.NDArray[np.uint8]

__all__ = ["MatchedSequence", "Picture", "draw_picture", "picture_notes", "tracking_pictures"]

_OF_SCORES: Mapping[str, Callable[..., Image]] = {
    "metrics_overview": draw_tracking_overview,
    "losses": draw_tracking_losses,
    "hota_over_alpha": draw_tracking_alphas,
    "detection_confusion": draw_tracking_confusion,
    "summary_dashboard": draw_tracking_dashboard,
}
_OVER_TIME: Mapping[str, Callable[..., Image]] = {"frames": draw_tracking_frames, "tracks": draw_tracking_timeline}


class Picture(NamedTuple):
    """One picture: its file, relative to a folder, what it shows, and of which class and sequence."""

    path: str
    kind: Literal["scores", "time"]
    what: str
    label: str | None = None
    sequence: str | None = None


def tracking_pictures(result: TrackingResult) -> Iterator[Picture]:
    """Yield the pictures that a result has.

    Examples
    --------
    >>> from lapsdata.metrics.tracking.evaluation import evaluate_tracking
    >>> from lapsdata.testing.samples import sample_tracked
    >>> truth, found = sample_tracked()
    >>> [one.path for one in tracking_pictures(evaluate_tracking(truth, {"ours": found}))][-3:]
    ['summary_dashboard.png', 'frames/rally.png', 'tracks/rally.png']
    """
    classes = result.rules.classes
    several = len(classes) > 1
    for label in (None, *classes) if several else classes:
        folder = f"classes/{file_stem(label)}/" if several and label is not None else ""
        for what in _OF_SCORES:
            yield Picture(f"{folder}{what}.png", "scores", what, label)
        if label is not None:
            for what in _OVER_TIME:
                for name in drawn_sequences(result, label):
                    yield Picture(f"{folder}{what}/{file_stem(name)}.png", "time", what, label, name)


def draw_picture(
    picture: Picture, result: TrackingResult, sequences: Mapping[str, MatchedSequence], note: str | None = None
) -> Image:
    """Return a picture, uint8 (H, 1440, 3) RGB.

    Parameters
    ----------
    picture : Picture
    result : TrackingResult
    sequences : mapping of str to MatchedSequence
        Who is matched with whom, by sequence: of the same boxes and rules.
    note : str, optional
        What nobody who sees the picture may overlook: a band at the top.

    Examples
    --------
    >>> from lapsdata.metrics.tracking.evaluation import evaluate_tracking
    >>> from lapsdata.testing.samples import sample_tracked
    >>> truth, found = sample_tracked()
    >>> result = evaluate_tracking(truth, {"ours": found})
    >>> draw_picture(next(tracking_pictures(result)), result, {}).shape[1:]
    (1440, 3)
    """
    if picture.sequence is None:
        return _OF_SCORES[picture.what](result, picture.label, note=note)
    rows = drawn_rows(result)
    names = {row.name: name for row, name in zip(rows.trackers, rows.labels, strict=True)}
    draw = _OVER_TIME[picture.what]
    return draw(sequences[picture.sequence], picture.label, names, note=note, left=rows.left)


def picture_notes(result: TrackingResult, sequences: Mapping[str, MatchedSequence]) -> tuple[Problem, ...]:
    """Return what of a result is in no picture, counted: trackers, sequences and true tracks.

    Examples
    --------
    >>> from lapsdata.metrics.tracking.evaluation import evaluate_tracking
    >>> from lapsdata.testing.samples import sample_tracked
    >>> truth, found = sample_tracked()
    >>> picture_notes(evaluate_tracking(truth, {"ours": found}), {})
    ()
    """
    rows = drawn_rows(result)
    left = len(result.sequences) - min(len(result.sequences), MOST_SEQUENCES)
    told = []
    if rows.left:
        message = f"{plural(rows.left, 'tracker')} not drawn: the first {MOST_TRACKERS} are"
        told.append(("trackers-not-drawn", message))
    if left:
        message = f"{plural(left, 'sequence')} not drawn over time: of each class those {MOST_SEQUENCES} are in which "
        told.append(("sequences-not-drawn", f"{message}the first tracker has the lowest HOTA"))
    first, most = rows.trackers[0].name, most_tracks(len(rows.trackers))
    hidden = [
        longest_ids(sequence.trackers[first][label], most)[1]
        for sequence in sequences.values()
        for label in result.rules.classes
        if sequence.name in drawn_sequences(result, label)
    ]
    if sum(hidden):
        message = f"{plural(sum(hidden), 'true track')} not drawn in {plural(sum(map(bool, hidden)), 'picture')}: "
        told.append(("tracks-not-drawn", f"{message}of each sequence and class the {most} longest are"))
    return tuple(Problem(code, "pictures", message, None, "info") for code, message in told)

"""What benchmarks leave out of the score before anything is counted, as data."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MOT_LABELS", "TRACKING_PROFILES", "ProfileName", "TrackingProfile"]

ProfileName = Literal["plain", "mot15", "mot16", "mot17", "mot20", "sportsmot", "dancetrack"]

MOT_LABELS = (
    "pedestrian",
    "person_on_vehicle",
    "car",
    "bicycle",
    "motorbike",
    "non_mot_vehicle",
    "static_person",
    "distractor",
    "occluder",
    "occluder_on_ground",
    "occluder_full",
    "reflection",
    "crowd",
)
"""The classes of MOTChallenge, 1 to 13."""

_DISTRACTORS = ("person_on_vehicle", "static_person", "distractor", "reflection")


class TrackingProfile(NamedTuple):
    """How the boxes of a benchmark are chosen. Boxes that are to be ignored count in none.

    Parameters
    ----------
    one_class : str or None
        What the only class is called; None where every label is a class of its own.
    labels : tuple of str or None
        Labels that the truth may have; None where they are free.
    distractors : tuple of str
        A prediction that is matched with a true box of such a label is left out: it is neither right nor wrong. All
        true boxes take part in that, also those of other labels and those to be ignored.

    Examples
    --------
    >>> TRACKING_PROFILES["mot20"].distractors[-1]
    'non_mot_vehicle'
    """

    one_class: str | None = None
    labels: tuple[str, ...] | None = None
    distractors: tuple[str, ...] = ()


_PEOPLE = TrackingProfile("pedestrian", MOT_LABELS, _DISTRACTORS)
# Their rows have one class, or none, and nobody to be left out.
_ONE = TrackingProfile("pedestrian")

TRACKING_PROFILES: Mapping[ProfileName, TrackingProfile] = MappingProxyType(
    {
        "plain": TrackingProfile(),
        "mot15": _ONE,
        "mot16": _PEOPLE,
        "mot17": _PEOPLE,
        "mot20": TrackingProfile("pedestrian", MOT_LABELS, (*_DISTRACTORS, "non_mot_vehicle")),
        "sportsmot": _ONE,
        "dancetrack": _ONE,
    }
)
"""The rules of `tracking_scores` by name, as TrackEval 1.3.0 has them."""

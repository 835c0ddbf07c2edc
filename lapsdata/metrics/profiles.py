"""Rules that go by one name: how starts and ends become boundaries, how these are paired, and what nothing scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from lapsdata.schema.result import BoundaryCounting, BoundaryEmpty, BoundaryMatching

__all__ = ["PROFILES", "Profile", "ProfileName"]

ProfileName = Literal["default", "laps-2025", "ms-tcn"]
"""`default`: boundaries once, as many pairs as there can be, which are the numbers of mir_eval; `laps-2025`: the rules
of the numbers that LAPS published; `ms-tcn`: the boundaries of `default`, beside scores of the labels of frames."""


class Profile(NamedTuple):
    """The rules of a name, but for the tolerances.

    Parameters
    ----------
    counting : {"once", "each_end"}
    matching : {"maximum", "greedy"}
    empty : {"both_1_one_0", "no_truth_precision_1"}
    average : {"macro", "micro"}
        The mean that is shown first; both stand in every result.

    Examples
    --------
    >>> PROFILES["laps-2025"].counting, PROFILES["laps-2025"].matching
    ('each_end', 'greedy')
    """

    counting: BoundaryCounting
    matching: BoundaryMatching
    empty: BoundaryEmpty
    average: Literal["macro", "micro"] = "macro"


_DEFAULT = Profile("once", "maximum", "both_1_one_0")

PROFILES: Final[dict[ProfileName, Profile]] = {
    "default": _DEFAULT,
    # tools/eval_segmentation.py of LAPS: starts after 0 and ends before the duration, each for itself; true boundaries
    # in order of time, each with the nearest free one; mean over videos.
    "laps-2025": Profile("each_end", "greedy", "no_truth_precision_1"),
    "ms-tcn": _DEFAULT,
}
"""Rules by name."""

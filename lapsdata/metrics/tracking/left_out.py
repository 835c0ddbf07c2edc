"""What took no part in a score, counted."""

from __future__ import annotations

from dataclasses import dataclass, fields

__all__ = ["LeftOut"]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What of one sequence, or of all of them, took no part in the score.

    Parameters
    ----------
    frames : int
        Frames that no annotated range covers.
    outside_truth, outside_predicted : int
        Boxes in such frames.
    ignored_truth, ignored_predicted : int
        Boxes that are to be ignored.
    other_truth, other_predicted : int
        Boxes of labels that are not scored.
    on_distractors : int
        Predicted boxes that are matched with a distractor.

    Examples
    --------
    >>> (LeftOut(frames=2, ignored_truth=1) + LeftOut(frames=3)).told()
    {'frames': 5, 'ignored_truth': 1}
    """

    frames: int = 0
    outside_truth: int = 0
    outside_predicted: int = 0
    ignored_truth: int = 0
    ignored_predicted: int = 0
    other_truth: int = 0
    other_predicted: int = 0
    on_distractors: int = 0

    def told(self) -> dict[str, int]:
        """Return the counts that are not 0, by name."""
        counts = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: count for name, count in counts.items() if count}

    def __add__(self, other: LeftOut) -> LeftOut:
        """Return what both leave out."""
        names = [field.name for field in fields(self)]
        return LeftOut(**{name: getattr(self, name) + getattr(other, name) for name in names})

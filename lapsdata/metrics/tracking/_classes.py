"""Both sides of a score held against one another: the same sequences, and the classes that their labels make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, Self

import numpy as np

from lapsdata.errors import Problems, SchemaError, listed, spans_told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lapsdata.containers.boxes import Boxes
    from lapsdata.metrics.tracking.profiles import TrackingProfile

__all__ = ["ClassChoice", "LabelChoice", "Rows", "checked_pair", "class_choices"]

LabelChoice = tuple[str, ...] | Literal["any"] | None
"""Labels to be scored, each a class; `any`: labels are not looked at; None: those of the truth."""


class Rows(NamedTuple):
    """The boxes of one side, and numbers in the place of labels."""

    boxes: Boxes
    names: tuple[str, ...]
    code: NDArray[np.int64]

    @classmethod
    def of(cls, boxes: Boxes) -> Self:
        names = tuple(dict.fromkeys(boxes.label))
        number = {name: i for i, name in enumerate(names)}
        return cls(boxes, names, np.fromiter(map(number.__getitem__, boxes.label), np.int64, len(boxes)))

    def sequence(self, name: str) -> slice:
        """Return where the boxes of a sequence stand."""
        index = [sequence.name for sequence in self.boxes.header.sequences].index(name)
        first, last = np.searchsorted(self.boxes.sequence_index, [index, index + 1]).tolist()
        return slice(first, last)

    def of_labels(self, labels: tuple[str, ...], where: slice) -> NDArray[np.bool_]:
        """Return which boxes there have one of some labels."""
        return np.isin(self.code[where], [i for i, name in enumerate(self.names) if name in labels])


class ClassChoice(NamedTuple):
    """A class: what it is called, and the labels of its true and of its predicted boxes; None for all of them."""

    name: str
    truth: tuple[str, ...] | None
    predicted: tuple[str, ...] | None


def checked_pair(truth: Boxes, predicted: Boxes) -> tuple[Rows, Rows]:
    """Return both sides where they are of the same sequences.

    Raises
    ------
    SchemaError
        A sequence that one side lacks, or a predicted box behind the end of one.
    """
    found = Problems()
    rows = Rows.of(truth), Rows.of(predicted)
    sides = [{s.name: s.length for s in boxes.header.sequences} for boxes in (truth, predicted)]
    for here, there, mine, theirs in (("predictions", "truth", 1, 0), ("truth", "predictions", 0, 1)):
        lacking = [name for name in sides[theirs] if name not in sides[mine]]
        if lacking:
            message = f"expected the sequences of the {there}, got {listed(sides[mine])} without {listed(lacking)}"
            fix = "both sides must name the same ones; where a tracker found nothing, name the sequence without a box"
            found.add("unequal-sequences", here, message, fix)
    for name, length in sides[0].items():
        if name in sides[1]:
            frame = predicted.frame[rows[1].sequence(name)]
            beyond = np.unique(frame[frame >= length])
            if len(beyond):
                first = next(s.first_number for s in predicted.header.sequences if s.name == name)
                spans = spans_told((beyond + first).tolist())
                message = f"expected frames {first} to {first + length - 1}, as long as the truth is, got {spans}"
                fix = "give the truth of this video; if that ends with its last box, say its length: seqinfo.ini"
                if not first:
                    fix += "; if these count from 1, say so or subtract 1"
                found.add("frame-outside", f"predictions: {name}", message, fix)
    found.raise_as(SchemaError)
    return rows


def class_choices(
    truth: Rows, predicted: Rows, profile: TrackingProfile, labels: Sequence[str] | str | None
) -> list[ClassChoice]:
    """Return the classes that are scored: those of the truth's list of labels, or of its boxes, by name.

    A truth with neither has those of the predictions.

    Raises
    ------
    SchemaError
        A label that the truth, or the profile, does not have.
    """
    found = Problems()
    if profile.one_class is not None:
        made = [_one_class(found, truth, predicted, profile, labels)]
    elif labels == "any":
        made = [ClassChoice("any", None, None)]
    else:
        listed_ones = truth.boxes.header.labels
        known = truth.names if listed_ones is None else listed_ones
        names = _labels_of_truth(found, known, predicted) if labels is None else _checked_labels(found, known, labels)
        made = [ClassChoice(name, (name,), (name,)) for name in names] or [ClassChoice("any", None, None)]
    found.raise_as(SchemaError)
    return made


def _labels_of_truth(found: Problems, known: tuple[str, ...], predicted: Rows) -> list[str]:
    unknown = [name for name in predicted.names if name not in known]
    if known and unknown:
        message = f"expected labels of the truth, {listed(known)}, got {listed(unknown)}"
        fix = (
            "rename them, say which labels are scored (others are left out and counted), or labels='any': --labels any"
        )
        found.add("unknown-label", "predictions: label", message, fix)
    return sorted(known or predicted.names)


def _checked_labels(found: Problems, known: tuple[str, ...], labels: Sequence[str] | str) -> list[str]:
    names = [] if isinstance(labels, str) else list(labels)
    if not names or len(set(names)) != len(names):
        fix = f"labels=({labels!r},)" if isinstance(labels, str) else None
        found.add("wrong-value", "labels", f"expected labels, each once, or 'any', got {labels!r}", fix)
    unknown = [name for name in names if name not in known]
    if unknown:
        found.add("unknown-label", "labels", f"expected labels of the truth, {listed(known)}, got {listed(unknown)}")
    return names


def _one_class(
    found: Problems, truth: Rows, predicted: Rows, profile: TrackingProfile, labels: Sequence[str] | str | None
) -> ClassChoice:
    name, looked_at = str(profile.one_class), labels is None
    if labels not in (None, "any"):
        message = f"expected no labels, since the profile scores {name!r} alone, got {labels!r}"
        found.add("wrong-value", "labels", message, "profile='plain' scores labels of your choice")
    if profile.labels is None:
        for place, side in (("truth", truth), ("predictions", predicted)):
            if looked_at and len(side.names) > 1:
                message = f"expected boxes of one label, since the profile has one class, got {listed(side.names)}"
                found.add(
                    "several-labels",
                    f"{place}: label",
                    message,
                    "profile='plain', or labels='any' for all: --labels any",
                )
        return ClassChoice(name, None, None)
    unknown = [label for label in truth.names if label not in profile.labels]
    if unknown:
        message = f"expected classes of MOTChallenge, got {listed(unknown)}"
        found.add("unknown-label", "truth: label", message, "profile='plain' scores labels of your own")
    others = [label for label in predicted.names if label != name]
    if looked_at and others:
        message = f"expected predictions of {name!r} alone, got {listed(others)}"
        found.add(
            "unknown-label", "predictions: label", message, f"labels='any' if all of them are {name!r}: --labels any"
        )
    return ClassChoice(name, (name,), None)

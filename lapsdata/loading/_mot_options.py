"""What a user asks of clips of tracked boxes, checked before anything is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from lapsdata.errors import Problem, Problems, SchemaError, whole_number
from lapsdata.geometry.boxes import BoxForm, BoxOrigin
from lapsdata.loading._mot_clips import Gaps
from lapsdata.loading._window_options import listed_names
from lapsdata.loading.permutation import MOST
from lapsdata.video.frame import Pixels

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Allowed", "Ignored", "MissingProposals", "MotOptions", "OtherLabels"]

MissingProposals = Literal["error", "empty", "leave_out"]
"""What becomes of annotated frames that no detector looked at: an error, no proposals, or no clip holds them."""

Ignored = Literal["mark", "leave_out"]
"""What becomes of true boxes that are to be ignored: they are marked, or left out and counted."""

OtherLabels = Literal["error", "ignore", "leave_out"]
"""What becomes of true boxes that are called otherwise than is asked for; `ignore` makes them boxes to be ignored."""

Allowed = Literal[
    "detections-equal-truth", "ids-are-ranks", "ids-never-persist", "no-identity", "no-proposals", "wrong-detections"
]
"""What is refused unless it is allowed by this name."""

_SIDES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class MotOptions:
    """What `open_mot` was asked for; see there."""

    clip: int
    interval: int = 1
    max_interval: int | None = None
    seed: int = 0
    gaps: Gaps = "split"
    sequences: Sequence[str] | None = None
    labels: Sequence[str] | None = None
    other_labels: OtherLabels = "error"
    ignored: Ignored = "mark"
    missing_proposals: MissingProposals = "error"
    allow: Sequence[str] = ()
    truth_source: str = "truth"
    proposals_source: str | None = None
    proposal_names: Mapping[str, str] | None = None
    max_boxes: int | None = None
    max_proposals: int | None = None
    box_form: BoxForm = "xyxy"
    box_origin: BoxOrigin = "centre"
    image_size: tuple[int, int] | None = None
    pixels: Pixels = "rgb_quick"
    open_videos: int = 8
    cache_bytes: int = 1 << 26
    threads: int = 1

    @property
    def intervals(self) -> range:
        """Which intervals clips may have."""
        return range(self.interval, (self.max_interval or self.interval) + 1)

    def checked(self) -> MotOptions:
        """Return the same with Python's own whole numbers and tuples.

        Raises
        ------
        SchemaError
            All that is wrong.
        """
        found = Problems("open_mot")
        made: dict[str, Any] = {}
        for name, least in _LEAST.items():
            value = getattr(self, name)
            made[name] = number = None if value is None else whole_number(value)
            if (value is not None or name not in _OPTIONAL) and (number is None or not least <= number <= MOST):
                found.add("wrong-value", name, f"expected a whole number from {least} on, got {value!r}")
        for name, words in _WORDS.items():
            if getattr(self, name) not in words:
                found.add("wrong-value", name, f"expected one of {words}, got {getattr(self, name)!r}")
        for name in ("sequences", "labels", "allow"):
            if getattr(self, name) is not None:
                made[name] = self._names(name, found)
        if strange := [one for one in made.get("allow", ()) if one not in get_args(Allowed)]:
            found.add("wrong-value", "allow", f"expected some of {get_args(Allowed)}, got {strange[0]!r}")
        self._check_interval(found)
        made["image_size"] = self._size(found)
        names: object = self.proposal_names
        if names is not None and not isinstance(names, Mapping):
            found.add("wrong-value", "proposal_names", f"expected names by the names of the truth, got {names!r}")
        found.raise_as(SchemaError)
        return replace(self, **made)

    def _names(self, option: str, found: Problems) -> tuple[str, ...]:
        try:
            names = listed_names(option, getattr(self, option))
        except SchemaError as error:
            found.extend(error.problems)
            return ()
        if len(set(names)) != len(names) or (not names and option != "allow"):
            found.add("wrong-value", option, f"expected names, each once, got {list(names)!r}")
        return names

    def _check_interval(self, found: Problems) -> None:
        first, last = whole_number(self.interval), whole_number(self.max_interval)
        if last is None or first is None:
            return
        if last < first:
            message = f"expected at least the interval, {first}, got {last}"
            found.add("wrong-value", "max_interval", message)
        if self.clip == 1:
            found.add("wrong-option", "max_interval", "expected nothing for clips of one frame, got it", "leave it out")

    def _size(self, found: Problems) -> tuple[int, int] | None:
        if self.image_size is None:
            return None
        try:
            size = tuple(whole_number(side) or 0 for side in self.image_size)
        except TypeError:
            size = ()
        if len(size) != _SIDES or min(size) < 1:
            message = f"expected (height, width) in pixel, got {self.image_size!r}"
            found.add("wrong-value", "image_size", message)
            return None
        return size[0], size[1]

    def allowed(self, faults: Iterable[Problem]) -> list[Problem]:
        """Return what is to be told of faults that are allowed by their names.

        Raises
        ------
        SchemaError
            All that are not.
        """
        told, refused = [], []
        for fault in faults:
            if fault.code in self.allow:
                fix = f"allowed by allow=[{fault.code!r}]"
                told.append(Problem(fault.code, fault.where, fault.message, fix, "warning"))
            else:
                fix = f"allow=[{fault.code!r}] where that is what you want"
                fix = f"{fault.fix}; {fix}" if fault.fix else fix
                refused.append(Problem(fault.code, fault.where, fault.message, fix))
        if refused:
            raise SchemaError(*refused)
        return told


_LEAST = {
    "clip": 1, "interval": 1, "max_interval": 1, "seed": 0, "max_boxes": 0, "max_proposals": 0, "open_videos": 1,
    "cache_bytes": 0, "threads": 1,
}  # fmt: skip
_OPTIONAL = frozenset({"max_interval", "max_boxes", "max_proposals"})
_WORDS: dict[str, tuple[str, ...]] = {
    "gaps": get_args(Gaps),
    "other_labels": get_args(OtherLabels),
    "ignored": get_args(Ignored),
    "missing_proposals": get_args(MissingProposals),
    "box_form": get_args(BoxForm),
    "box_origin": get_args(BoxOrigin),
    # Batches have three colours.
    "pixels": tuple(word for word in get_args(Pixels) if word != "gray"),
}

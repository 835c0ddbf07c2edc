"""Parts of the vectors of a set by the names that a user gives them, and what the set says of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from lapsdata.adapters.lerobot.parts import part_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lapsdata.errors import Problems
    from lapsdata.schema import EpisodesHeader, Feature, Group

__all__ = ["Span", "Vectors"]

_CUT = re.compile(r"(?P<name>.+)\[(?P<start>\d*):(?P<stop>\d*)\]")


class Span(NamedTuple):
    """Some numbers of a column.

    Parameters
    ----------
    feature : str
    start, stop : int
    """

    feature: str
    start: int
    stop: int

    def __str__(self) -> str:
        """Return it as a user writes it."""
        return part_name(*self)

    def overlaps(self, other: Span) -> bool:
        """Say whether a number is in both."""
        return self.feature == other.feature and self.start < other.stop and other.start < self.stop

    def within(self, other: Span) -> bool:
        """Say whether all numbers are in another."""
        return self.feature == other.feature and other.start <= self.start and self.stop <= other.stop


class Vectors:
    """The vectors of floats of a set.

    Parameters
    ----------
    header : EpisodesHeader
    """

    def __init__(self, header: EpisodesHeader) -> None:
        self.features: dict[str, Feature] = {one.name: one for one in header.features}
        self.groups: dict[str, Group] = {one.name: one for one in header.groups}

    def span(self, text: str, place: str, found: Problems, *, begin: str = "") -> Span | None:
        """Return what a name or `name[0:6]` means; None, and a problem, where it is no part of a vector of floats.

        Parameters
        ----------
        text : str
        place : str
            Of the option, for the problem.
        found : Problems
        begin : str
            What may be left out of names of GR00T: `action.`.
        """
        span = self._named(text, begin)
        cut = None if span is not None else _CUT.fullmatch(text)
        if cut is not None and (whole := self._named(cut["name"], begin)) is not None:
            wide = whole.stop - whole.start
            start, stop = int(cut["start"] or 0), int(cut["stop"] or wide)
            if not start < stop <= wide:
                message = f"expected numbers within 0:{wide} of {cut['name']}, got {start}:{stop}"
                empty = ": a part begins before it ends" if stop <= start else ""
                found.add("wrong-part", place, message + empty)
                return None
            span = Span(whole.feature, whole.start + start, whole.start + stop)
        if span is None:
            known = [name for name in (*self.groups, *self.features) if self._vector(name)]
            message = f"expected a vector of floats or a part of one, such as {', '.join(known[:12])}; got {text}"
            found.add("unknown-part", place, message, "write a part that has no name as action[0:6]")
        return span

    def _named(self, name: str, begin: str) -> Span | None:
        for one in (name, begin + name):
            if one in self.groups and self._vector(one):
                group = self.groups[one]
                return Span(group.feature, group.start, group.stop)
        return Span(name, 0, self.features[name].shape[0]) if self._vector(name) else None

    def _vector(self, name: str) -> bool:
        feature = self.features.get(self.groups[name].feature if name in self.groups else name)
        return feature is not None and (
            feature.dtype in ("float32", "float64") and len(feature.shape) == 1 and not feature.nullable
        )

    def told(self, span: Span) -> str:
        """Return a part as it is told of: by its name, if it has one, and by its numbers."""
        named = [one.name for one in self.groups.values() if (one.feature, one.start, one.stop) == span]
        return f"{named[0]} ({span})" if named and named[0] != str(span) else str(span)

    def rotations(self, turned: Mapping[Span, str]) -> dict[Span, str]:
        """Return the parts that tell a rotation, and in which form: as the set says, or as was said of it."""
        known = {
            Span(one.feature, one.start, one.stop): str(one.rotation) for one in self.groups.values() if one.rotation
        }
        return {**known, **turned}

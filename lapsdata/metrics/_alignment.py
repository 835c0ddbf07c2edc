"""Truth and found boundaries brought together video by video; whatever does not fit is an error or a counted policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.containers import Segments
from lapsdata.errors import Problem, Problems, SchemaError
from lapsdata.metrics._given import RESOLUTION_S, Span, instants_of, seconds, span_ticks, ticks_of
from lapsdata.metrics._names import ExtraPolicy, MissingPolicy, check_names
from lapsdata.metrics.boundary import inner_boundaries

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.schema.result import BoundaryCounting

__all__ = ["Alignment", "Boundaries", "ExtraPolicy", "MissingPolicy", "Video", "align"]

_FIX = "give the video's own time in spans_s, or end_slack_s (--end-slack) for what its ends may differ by"

Boundaries = Segments | Mapping[str, "NDArray[np.float64]"]
"""Segments of videos, or the instants of each video's boundaries: float64 (B,), seconds."""


class Video(NamedTuple):
    """One video that is scored: its time, and the boundaries within it, float64 seconds, rising."""

    name: str
    span_s: Span
    truth: NDArray[np.float64]
    found: NDArray[np.float64]


@dataclass(frozen=True)
class Alignment:
    """How two sources are brought together.

    Parameters
    ----------
    spans_s : mapping of str to (float, float), or None
    missing, extra : the policies
    end_slack_s : float, seconds, >= 0
    counting : {"once", "each_end"}
    """

    spans_s: Mapping[str, Span] | None
    missing: MissingPolicy
    extra: ExtraPolicy
    end_slack_s: float
    counting: BoundaryCounting

    def within(self, instants: NDArray[np.float64], span_s: Span) -> tuple[NDArray[np.float64], int]:
        """Return boundaries inside of a span, and how many instants lay past its ends, by no more than the slack.

        Raises
        ------
        SchemaError
            An instant lies farther outside.
        """
        (start, end), ticks = span_ticks(span_s, "span_s"), ticks_of(instants)
        past = (ticks < start) | (ticks > end)
        slack = round(self.end_slack_s / RESOLUTION_S)
        beyond = np.maximum(ticks - end, start - ticks)
        if (beyond > slack).any():
            worst = instants[np.argmax(beyond)]
            message = (
                f"expected times from {span_s[0]} s to {span_s[1]} s, got {worst} s ({(beyond > slack).sum()} such "
                "times)"
            )
            raise SchemaError(Problem("outside-video", "", message, _FIX))
        return inner_boundaries(instants[~past], span_s, counting=self.counting), int(past.sum())

    def span(self, name: str, headers: Mapping[str, Mapping[str, Span]]) -> Span:
        """Return the time of a video that is scored.

        That is what `spans_s` says; without it what the segments' headers say (`headers`, by role), which must agree
        within the slack.
        """
        if self.spans_s is not None:
            if name not in self.spans_s:
                raise SchemaError(Problem("no-span", "", "expected the video in spans_s, got no such key"))
            span_ticks(self.spans_s[name], "spans_s")
            return self.spans_s[name]
        said = [(role, spans[name]) for role, spans in headers.items() if name in spans]
        if not said:
            message = "expected the time that was looked at, got instants alone"
            raise SchemaError(Problem("no-span", "", message, "give spans_s={video: (0.0, duration)}"))
        (role, chosen), *others = said
        for other, span in others:
            apart = max(abs(ours - theirs) for ours, theirs in zip(chosen, span, strict=True))
            if round(apart / RESOLUTION_S) > round(self.end_slack_s / RESOLUTION_S):
                message = (
                    f"expected one time of the video, got {span[0]} s to {span[1]} s in {other} and "
                    f"{chosen[0]} s to {chosen[1]} s in {role}"
                )
                raise SchemaError(Problem("spans-differ", "", message, _FIX))
        return chosen


def align(truth: Boundaries, found: Boundaries, how: Alignment) -> tuple[tuple[Video, ...], dict[str, int]]:
    """Return the videos that are scored, by name, and how many items each policy has touched.

    Raises
    ------
    SchemaError
        All videos that do not fit, each with its reason.
    """
    seconds(how.end_slack_s, "end_slack_s", 0)
    given = {"found": _instants_by_video(found, "found"), "truth": _instants_by_video(truth, "truth")}
    # The time of the truth goes first: it is the same for every prediction.
    headers = {"truth": _spans_of(truth), "found": _spans_of(found)}
    policies = check_names(given["truth"], given["found"], missing=how.missing, extra=how.extra)
    problems, videos = Problems(), []
    past = {"truth_past_the_end": 0, "found_past_the_end": 0}
    for name in sorted(given["truth"]):
        boundaries = {}
        role = "truth"
        try:
            span = how.span(name, headers)
            for role in ("truth", "found"):
                instants = _within_own(given[role].get(name, np.empty(0)), headers[role].get(name), span)
                boundaries[role], outside = how.within(instants, span)
                past[f"{role}_past_the_end"] += outside
        except SchemaError as error:
            problems.extend(problem.within(f"{role}: {name}") for problem in error.problems)
        else:
            videos.append(Video(name, span, boundaries["truth"], boundaries["found"]))
    problems.raise_as(SchemaError)
    return tuple(videos), {name: count for name, count in (policies | past).items() if count}


def _within_own(instants: NDArray[np.float64], own_s: Span | None, span_s: Span) -> NDArray[np.float64]:
    """Return instants without those at the ends of the time that was looked at where these lie inside of the video.

    Nobody has set them: a last segment ends there because what was looked at does.
    """
    if own_s is None:
        return instants
    (start, end), (first, last) = span_ticks(span_s, "span_s"), span_ticks(own_s, "span_s")
    ticks = ticks_of(instants)
    given: NDArray[np.float64] = instants[~(((ticks == first) & (first > start)) | ((ticks == last) & (last < end)))]
    return given


def _instants_by_video(given: object, role: str) -> dict[str, NDArray[np.float64]]:
    """Return the instants of each video: starts and ends of its segments, or what the mapping holds.

    Raises
    ------
    SchemaError
        Neither segments nor a mapping of names to arrays.
    """
    if isinstance(given, Segments):
        rows = {video.name: given.of_video(video.name) for video in given.header.videos}
        return {name: np.concatenate([given.start_s[at], given.end_s[at]]) for name, at in rows.items()}
    if not isinstance(given, Mapping):
        message = f"expected Segments or a mapping of videos to arrays of seconds, got {type(given).__name__}"
        raise SchemaError(Problem("wrong-type", role, message))
    odd = [name for name in given if not isinstance(name, str)]
    if odd:
        raise SchemaError(Problem("wrong-type", role, f"expected names of videos as keys, got {odd[0]!r}"))
    return {name: instants_of(instants, f"{role}: {name}") for name, instants in given.items()}


def _spans_of(given: Boundaries) -> dict[str, Span]:
    videos = given.header.videos if isinstance(given, Segments) else ()
    return {video.name: (video.start_s, video.end_s) for video in videos}

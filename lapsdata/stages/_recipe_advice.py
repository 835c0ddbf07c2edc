"""A recipe for given videos: what they are, and what must therefore differ from the defaults."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.errors import LapsError, Problem, SchemaError
from lapsdata.schema.recipe import Recipe, StageChoice
from lapsdata.stages._recipe_stages import ORDER, load_stage, refuses
from lapsdata.stages._recipe_writing import Notes, comment, spelled
from lapsdata.timebase import FrameRate, resample
from lapsdata.video.probe import probe
from lapsdata.video.sources import doubled_names, images_rate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pydantic import JsonValue

    from lapsdata.stages._stage import Stage
    from lapsdata.video.facts import VideoFacts
    from lapsdata.video.sources import FoundVideos, VideoItem

__all__ = ["Advice", "advise"]

_STAGE = "track"


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is kept of a video: its frames' times are not."""

    video: VideoItem
    size: str
    rate: FrameRate | None
    variable: bool
    images: bool
    frames: int
    start_s: float
    end_s: float
    least: FrameRate | None
    """A constant rate that asks for no more frames than there are; None of a single frame."""

    def frames_at(self, rate: FrameRate | None) -> int:
        """Return how many frames it has at a rate, as `track` lays them."""
        if rate is None or rate == self.rate:
            return self.frames
        # Only where the grid begins and ends decides how long it is.
        stand_in = np.linspace(self.start_s, self.end_s, self.frames, endpoint=False)
        return len(resample(stand_in, rate, end_s=self.end_s).frame_s)


@dataclass(frozen=True, slots=True)
class Advice:
    """A recipe for given videos.

    Parameters
    ----------
    recipe : Recipe
        Says only what must differ from the defaults.
    facts : dict of str to str
        What was found.
    why : dict of str to str
        The reason for each parameter of `track` that is set.
    problems : tuple of Problem
        Videos that cannot be read, or are no use to a run; warnings as long as there are others.
    """

    recipe: Recipe
    facts: dict[str, str]
    why: dict[str, str]
    problems: tuple[Problem, ...]

    def text(self) -> str:
        """Return the recipe as YAML, with what was found and the reasons as comments."""
        head = [line for name, value in self.facts.items() for line in comment(f"{name}: {value}", 0)]
        if not self.recipe.stages:
            head += comment("Nothing has to differ from the defaults, which `lapsdata recipe show` spells out.", 0)
        notes = Notes(params=self.why)
        lines = spelled(self.recipe, ORDER, lambda name: tuple(self.why), lambda name: notes)
        return "".join(f"{line}\n" for line in [*head, *lines])


def advise(found: FoundVideos, images: FrameRate | None = None, *, looked: Callable[[int], None]) -> Advice:
    """Look at videos, and say what a recipe for them must set.

    Parameters
    ----------
    found : FoundVideos
    images : FrameRate or None
        Rate of folders of images.
    looked : callable
        Called with 1 after each video.

    Raises
    ------
    LapsError
        None of the videos can be read; or the stage `track` cannot be asked.
    """
    stage = load_stage(_STAGE)
    seen: list[_Seen] = []
    lost = [problem for problems in found.lost.values() for problem in problems]
    for video in found:
        try:
            seen.append(_look(video, images))
        except LapsError as error:
            lost += error.problems
        looked(1)
    if not seen:
        raise LapsError(*lost)
    problems = [replace(problem, severity="warning") for problem in lost]
    problems += _doubled(found)
    if images is not None and not any(one.images for one in seen):
        message = f"expected folders of images, got none: {images} frames per second are asked of nothing"
        problems.append(Problem("unused", "--fps", message, severity="warning"))
    params: dict[str, JsonValue] = {}
    why: dict[str, str] = {}
    rate, reason = _rate([one for one in seen if one.frames > 1])
    if rate is not None and not refuses(stage, stage.default, "rate", str(rate)):
        params["rate"], why["rate"] = str(rate), reason
    else:
        rate = None
    _shorten(stage, _frames(seen, rate, problems), params, why)
    recipe = Recipe(stages={_STAGE: StageChoice(params=params)} if params else {})
    return Advice(recipe, _facts(seen, len(found) - len(seen) + len(found.lost)), why, tuple(problems))


def _look(video: VideoItem, images: FrameRate | None) -> _Seen:
    rate = images_rate(video.path, images)
    facts = probe(video.path, rate=rate)
    return _Seen(
        video=video,
        size=f"{facts.size.width}x{facts.size.height}",
        rate=facts.rate,
        variable=facts.variable,
        images=rate is not None,
        frames=facts.frames,
        start_s=facts.start_s,
        end_s=facts.end_s,
        least=_least(facts),
    )


def _least(facts: VideoFacts) -> FrameRate | None:
    """Return the rate of a video; where it varies a whole one, or one frame in so many seconds, just below its mean."""
    if facts.rate is not None or facts.frames < 2:
        return facts.rate
    mean = (facts.frames - 1) / float(facts.frame_s[-1] - facts.frame_s[0])
    return FrameRate(math.floor(mean)) if mean >= 1 else FrameRate(1, math.ceil(1 / mean))


def _rate(seen: list[_Seen]) -> tuple[FrameRate | None, str]:
    """Return the rate that all videos must be brought to, and why; None where they all have one."""
    for one in seen:
        if one.images:
            return one.rate, "Folders of images carry no time: this is their rate, and that of all others."
    rates = {one.least for one in seen if one.least is not None}
    variable = sum(one.variable for one in seen)
    if not rates or (len(rates) == 1 and not variable):
        return None, ""
    if len(seen) == variable == 1:
        return min(rates), "Its rate varies; energies need steps of equal length. This is just below its mean."
    differ = "Some rates vary" if variable else "The rates differ"
    below = ", and just below the mean where it varies" if variable else ""
    return min(rates), f"{differ}; energies need steps of equal length in all videos. This is the lowest{below}."


def _frames(seen: list[_Seen], rate: FrameRate | None, problems: list[Problem]) -> dict[str, int]:
    """Return by name how many frames the videos have at a rate; those without a single step are told."""
    found: dict[str, int] = {}
    for one in seen:
        try:
            count = one.frames_at(rate)
        except SchemaError as error:
            problems += [replace(problem, where=str(one.video.path), severity="warning") for problem in error.problems]
            continue
        if count > 1:
            found[one.video.name] = min(count, found.get(one.video.name, count))
            continue
        at = "" if rate is None else f" at {rate} frames per second"
        message = f"expected at least 2 frames, got {count}{at}"
        problems.append(Problem("too-short", str(one.video.path), message, "leave it out", "warning"))
    return found


def _shorten(stage: Stage, frames: dict[str, int], params: dict[str, JsonValue], why: dict[str, str]) -> None:
    """Make windows fit into the shortest video, and follow each other so that no step lies between two of them."""
    told = stage.told(stage.default, {})
    horizon, stride = told.get("horizon"), told.get("stride")
    if not frames or not isinstance(horizon, int):
        return
    shortest = min(frames, key=lambda name: frames[name])
    count = frames[shortest]
    if count >= horizon or refuses(stage, stage.default, "horizon", count):
        return
    params["horizon"] = count
    why["horizon"] = (
        f"The video {shortest} has no more frames{' at this rate' if 'rate' in params else ''}; leave it out for "
        f"windows of {horizon}, the default."
    )
    # So that changes from one step to the next, of which a window has one fewer, leave none out either.
    most = max(1, count - 2)
    if isinstance(stride, int) and stride > most and not refuses(stage, stage.default, "stride", most):
        params["stride"] = most
        why["stride"] = f"Windows that begin {stride} frames apart, the default, would leave steps out between them."


def _doubled(found: FoundVideos) -> list[Problem]:
    return [
        Problem("doubled-name", name, f"expected one video of this name, got {', '.join(map(str, paths))}",
                "rename one: a run takes none of them", "warning")
        for name, paths in doubled_names(found).items()
    ]  # fmt: skip


def _facts(seen: list[_Seen], left_out: int) -> dict[str, str]:
    usable = [one for one in seen if one.frames > 1] or seen
    shortest = min(usable, key=lambda one: one.end_s - one.start_s)
    frames = "1 frame" if shortest.frames == 1 else f"{shortest.frames} frames"
    facts = {
        "videos": str(len(usable)),
        "sizes": _counted(one.size for one in usable),
        "rates": _counted(_told_rate(one) for one in usable),
        "duration": _duration(math.fsum(one.end_s - one.start_s for one in usable)),
        "shortest": f"{shortest.video.name}, {_duration(shortest.end_s - shortest.start_s)}, {frames}",
    }
    left_out += len(seen) - len(usable)
    return facts | ({"left out": str(left_out)} if left_out else {})


def _told_rate(one: _Seen) -> str:
    if one.rate is None:
        return "variable" if one.variable else "unknown"
    return str(one.rate) if one.rate.denominator == 1 else f"{one.rate} = {one.rate.hz:.5g}"


def _counted(words: Iterable[str]) -> str:
    counts = sorted(Counter(words).items(), key=lambda item: (-item[1], item[0]))
    if len(counts) == 1:
        return counts[0][0]
    return ", ".join(f"{word} ({count})" for word, count in counts)


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"

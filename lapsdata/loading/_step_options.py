"""What a user asks of robot steps: times around a row become whole rows, and what cannot be is told at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from lapsdata.errors import Problem, Problems, SchemaError, listed, spans_told, whole_number
from lapsdata.loading.source import BatchSpec, FieldSpec
from lapsdata.schema.episodes import IS_NULL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.containers import Episodes
    from lapsdata.timebase import FrameRate
    from lapsdata.video.frame import Decoder, Pixels

__all__ = [
    "PAD",
    "ImageType",
    "StepOptions",
    "chosen_episodes",
    "names_of",
    "opened_episodes",
    "row_offsets",
    "spec_of_all",
]

ImageType = Literal["uint8", "float32"]
"""Frames as 0 to 255, or as 0.0 to 1.0."""

PAD = "_is_pad"
"""What follows the name of a feature where it says at which times there was no row."""

# LeRobot's own: what a time may be beside a whole number of rows.
_TOLERANCE_S = 1e-4


def row_offsets(
    deltas: Mapping[str, Sequence[float]] | None, known: Iterable[str], rate: FrameRate
) -> dict[str, NDArray[np.int64]]:
    """Return how many rows lie between a row and what is asked for around it, by name: int64 (D,).

    Parameters
    ----------
    deltas : mapping of sequences of float, seconds
        Of features, cameras or groups.
    known : iterable of str
        Their names.
    rate : FrameRate
        Rows per second.

    Raises
    ------
    SchemaError
        Names that are not known, no times, or times between rows: all of them.

    Examples
    --------
    >>> from lapsdata.timebase import FrameRate
    >>> row_offsets({"action": [0, 0.05, 0.1]}, ["action"], FrameRate(20))["action"].tolist()
    [0, 1, 2]
    """
    found = Problems("delta_timestamps")
    names = list(known)
    offsets = {}
    for name, times in (deltas or {}).items():
        if name not in names:
            found.add("unknown-field", name, f"expected some of {listed(names, 12)}, got {name!r}")
            continue
        numbers = _seconds(times)
        if not numbers:
            found.add("wrong-value", name, f"expected a list of finite seconds, got {times!r}")
            continue
        rows = np.array(numbers) * rate.hz
        whole = np.round(rows)
        wrong = np.abs(rows - whole) > _TOLERANCE_S * rate.hz
        if wrong.any():
            between = ", ".join(f"{numbers[at]:g}" for at in np.flatnonzero(wrong).tolist())
            message = f"expected multiples of {rate.period_s:g} s, the time between rows, got {between}"
            found.add("off-grid", name, message, f"rows are {rate} per second")
            continue
        offsets[name] = whole.astype(np.int64)
    found.raise_as(SchemaError)
    return offsets


def _seconds(times: Any) -> list[float]:  # noqa: ANN401 - what a user gives
    if isinstance(times, str) or not isinstance(times, Sequence | np.ndarray):
        return []
    try:
        numbers = [float(time) for time in times]
    except (TypeError, ValueError):
        return []
    return numbers if all(map(math.isfinite, numbers)) else []


def chosen_episodes(episodes: Episodes, wanted: Sequence[int]) -> NDArray[np.int64]:
    """Return the places of episodes that are named by their own numbers, in that order: int64 (K,).

    Raises
    ------
    SchemaError
        Numbers that no episode has, or that stand twice: all of them.
    """
    found = Problems("episodes")
    numbers = [whole_number(number) for number in wanted]
    if not numbers or None in numbers:
        found.add("wrong-value", "", f"expected a list of numbers of episodes, got {wanted!r}")
        found.raise_as(SchemaError)
    asked = np.array(numbers, np.int64)
    absent = np.setdiff1d(asked, episodes.number)
    if len(absent):
        message = f"expected numbers of the {len(episodes)} episodes whose rows are there, got {absent.tolist()[:12]}"
        found.add("unknown-episode", "", message)
    values, counts = np.unique(asked, return_counts=True)
    if (counts > 1).any():
        found.add("episode-twice", "", f"expected each episode once, got {values[counts > 1].tolist()[:12]} again")
    found.raise_as(SchemaError)
    return np.searchsorted(episodes.number, asked)


def opened_episodes(
    episodes: Episodes, wanted: Sequence[int] | None, unreadable: Sequence[int], root: Path
) -> tuple[NDArray[np.int64], tuple[Problem, ...]]:
    """Return the places of the episodes that steps are of, and which are left out where nobody names any."""
    lost = np.isin(episodes.number, list(unreadable))
    if wanted is not None or not lost.any():
        return np.arange(len(episodes)) if wanted is None else chosen_episodes(episodes, wanted), ()
    numbers = spans_told(episodes.number[lost].tolist())
    message = f"{int(lost.sum())} of {len(episodes)} episodes are left out, as their rows cannot be read: {numbers}"
    fix = "mend their files; `episodes=` still names them"
    return np.flatnonzero(~lost), (Problem("episodes-left-out", str(root), message, fix, "warning"),)


@dataclass(frozen=True)
class StepOptions:
    """How steps are delivered, and what may be held for it."""

    image_type: ImageType = "uint8"
    pixels: Pixels = "rgb_quick"
    tolerance_s: float | None = None
    open_videos: int = 16
    cache_bytes: int = 1 << 24
    row_cache_bytes: int = 1 << 28
    threads: int = 1
    decoder: Decoder = "pyav"

    def check(self) -> None:
        """Refuse words that mean nothing, and a decoder that is not here.

        Raises
        ------
        SchemaError
            All that is wrong.
        MissingExtraError
            torchcodec cannot be used.
        """
        found = Problems()
        choices = {
            "image_type": get_args(ImageType),
            "pixels": ("rgb", "rgb_quick"),
            "decoder": ("pyav", "torchcodec"),
        }
        for name, known in choices.items():
            if getattr(self, name) not in known:
                wanted = ", ".join(map(repr, known))
                found.add("wrong-value", name, f"expected one of {wanted}, got {getattr(self, name)!r}")
        if self.decoder == "torchcodec" and self.pixels == "rgb":
            message = "expected 'rgb_quick', which is how torchcodec makes colours, got 'rgb'"
            found.add("wrong-option", "pixels", message, 'leave it out, or decode with decoder="pyav"')
        found.raise_as(SchemaError)
        if self.decoder == "torchcodec":
            from lapsdata.video._torchcodec import require_torchcodec

            require_torchcodec()

    def notes(self) -> tuple[Problem, ...]:
        """Return what of this a user should know."""
        if self.decoder == "pyav":
            return ()
        message = "torchcodec paints over damage in videos, which PyAV refuses"
        return (Problem("damage-unseen", "decoder", message, "`lapsdata check --decode` finds it", "info"),)

    def as_json(self) -> dict[str, Any]:
        """Return what decides values."""
        told = {"image_type": self.image_type, "pixels": self.pixels, "tolerance_s": self.tolerance_s}
        return told | {"decoder": self.decoder}


def names_of(episodes: Episodes) -> dict[str, str]:
    """Return other names of cameras and columns, as GR00T gives them: `video.ego_view`, `annotation.human.validity`.

    Of those that a batch can hold.
    """
    header = episodes.header
    told = header.extras.get("video")
    cameras = told if isinstance(told, dict) else {}
    known = {one.name for one in header.cameras if one.size is not None}
    numbers = {one.name for one in header.features if one.dtype != "text"}
    others = {name: str(target) for name, target in cameras.items() if target in known}
    others |= {name: target for name, target in header.annotations.items() if target in numbers}
    return {name: target for name, target in others.items() if name != target}


def spec_of_all(episodes: Episodes, offsets: Mapping[str, NDArray[np.int64]], options: StepOptions) -> BatchSpec:
    """Return what a batch holds of every name."""
    header = episodes.header
    by_name = {feature.name: feature for feature in header.features if feature.dtype != "text"}
    spec: dict[str, FieldSpec] = {}
    for feature in by_name.values():
        unit = "seconds" if feature.name == header.time else None
        spec[feature.name] = FieldSpec(feature.shape, np.dtype(feature.dtype), unit, feature.names)
        if feature.nullable:
            spec[f"{feature.name}{IS_NULL}"] = FieldSpec((), np.dtype(bool))
    if "frame_index" not in spec:
        spec["frame_index"] = FieldSpec((), np.dtype(np.int64))
    for group in header.groups:
        of = by_name[group.feature]
        names = None if of.names is None else of.names[group.start : group.stop]
        spec[group.name] = FieldSpec((group.stop - group.start,), np.dtype(of.dtype), names=names)
    for camera in header.cameras:
        if camera.size is not None:
            unit = "RGB (3, H, W), 0 to " + ("255" if options.image_type == "uint8" else "1")
            spec[camera.name] = FieldSpec(
                (3, camera.size.height, camera.size.width), np.dtype(options.image_type), unit
            )
    for name, target in names_of(episodes).items():
        spec[name] = spec[target]
    for name, rows in offsets.items():
        field = spec[name]
        # One frame comes without an axis of time, as LeRobot gives it.
        if not (len(rows) == 1 and len(field.shape) == 3):
            spec[name] = replace(field, shape=(len(rows), *field.shape))
        spec[f"{name}{PAD}"] = FieldSpec((len(rows),), np.dtype(bool))
        if f"{name}{IS_NULL}" in spec:
            spec[f"{name}{IS_NULL}"] = FieldSpec((len(rows),), np.dtype(bool))
    return BatchSpec(spec)

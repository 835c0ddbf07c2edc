"""What a user asks of robot steps: times around a row become whole rows, and what cannot be is told at once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from lapsdata.errors import Problem, Problems, SchemaError, listed, spans_told, whole_number
from lapsdata.loading.source import BatchSpec, FieldSpec
from lapsdata.schema import FeatureStats
from lapsdata.schema.episodes import IS_NULL
from lapsdata.schema.episodes import IS_PAD as PAD

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.containers import Episodes
    from lapsdata.timebase import FrameRate
    from lapsdata.video.frame import Decoder, Pixels

__all__ = [
    "PAD",
    "ImageType",
    "StepOptions",
    "check_asked",
    "chosen_episodes",
    "names_of",
    "opened_episodes",
    "row_offsets",
    "spec_of_all",
]

ImageType = Literal["uint8", "float32"]
"""Frames as 0 to 255, or as 0.0 to 1.0."""

# LeRobot's own: what a time may be beside a whole number of rows.
_TOLERANCE_S = 1e-4


def row_offsets(
    deltas: Mapping[str, Sequence[float]] | None, known: Iterable[str], rate: FrameRate
) -> dict[str, NDArray[np.int64]]:
    """Return how many rows lie between a row and what is asked for around it, by name: int64 (D,).

    Parameters
    ----------
    deltas : mapping of sequences, arrays or tensors of float, seconds
        Of features, cameras or groups.
    known : iterable of str
        Their names.
    rate : FrameRate
        Rows per second.

    Raises
    ------
    SchemaError
        Names that are not known, no times, times between rows, or columns that are called like what says where none
        is: all of them.

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
        if f"{name}{PAD}" in names:
            message = f"expected {name}{PAD} to say at which of these times there is no row, got a column of that name"
            found.add("name-taken", name, message, "give the column another name, or ask for the row alone")
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


def _seconds(times: Any) -> list[float]:  # noqa: ANN401 - a list, an array, a tensor, or what is none
    try:
        given = np.asarray(times)
        if given.ndim != 1 or given.dtype.kind not in "iufO":
            return []
        numbers: list[float] = given.astype(np.float64).tolist()
    except (TypeError, ValueError, RuntimeError):
        return []
    return numbers if all(map(math.isfinite, numbers)) else []


def check_asked(
    delta_timestamps: object,
    normalize: object,
    stats: object,
    rotations: object,
    relative: object,
    *,
    clip: object,
    strict: object,
) -> None:
    """Refuse what is of another kind than what is asked for by field, before anything is made of it.

    Raises
    ------
    SchemaError
        All that is wrong.

    Examples
    --------
    >>> check_asked(None, "mean_std", None, None, None, clip=False, strict=False)
    Traceback (most recent call last):
    lapsdata.errors.SchemaError: normalize: expected a dict by field, got 'mean_std'; as {'action': 'mean_std'} [wron...
    """
    found = Problems()
    by_field = {
        "delta_timestamps": (delta_timestamps, "{'action': [0, 0.1]}"),
        "normalize": (normalize, "{'action': 'mean_std'}"),
        "stats": (None if stats == "rows" else stats, "meta.stats of the steps of a data set, or 'rows'"),
        "rotations": (rotations, "{'state.hand': 'rotation_6d'}"),
        "relative": (relative, "{'action.arm': 'state.arm'}"),
    }
    for name, (given, example) in by_field.items():
        if not isinstance(given, Mapping | None):
            found.add("wrong-value", name, f"expected a dict by field, got {given!r}", f"as {example}")
    for name in ("rotations", "relative"):
        for field, one in _items(by_field[name][0]):
            if not isinstance(one, str):
                found.add("wrong-value", f"{name}: {field}", f"expected a name, got {one!r}", f"as {by_field[name][1]}")
    for field, one in _items(stats):
        if not isinstance(one, FeatureStats | Mapping):
            message = f"expected numbers by kind, or FeatureStats, got {one!r}"
            found.add("wrong-value", f"stats: {field}", message, "as {'mean': [0.5], 'std': [0.25]}")
    for name, given in (("clip", clip), ("strict", strict)):
        if not isinstance(given, bool | np.bool_):
            found.add("wrong-value", name, f"expected True or False, got {given!r}")
    found.raise_as(SchemaError)


def _items(given: object) -> list[tuple[Any, Any]]:
    return list(given.items()) if isinstance(given, Mapping) else []


def chosen_episodes(episodes: Episodes, wanted: Sequence[int]) -> NDArray[np.int64]:
    """Return the places of episodes that are named by their own numbers, in that order: int64 (K,).

    Raises
    ------
    SchemaError
        Numbers that no episode has, or that stand twice: all of them.
    """
    found = Problems("episodes")
    given: object = wanted
    numbers = [whole_number(number) for number in given] if isinstance(given, Iterable) else []
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
        for name, least in (("open_videos", 1), ("cache_bytes", 0), ("threads", 1)):
            number = whole_number(getattr(self, name))
            if number is None or number < least:
                message = f"expected a whole number from {least} on, got {getattr(self, name)!r}"
                found.add("wrong-value", name, message)
        within: Any = self.tolerance_s
        if within is not None and (isinstance(within, bool) or not isinstance(within, Real) or not float(within) >= 0):
            found.add("wrong-value", "tolerance_s", f"expected seconds from 0 on, got {within!r}")
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

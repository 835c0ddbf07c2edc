"""`meta/modality.json` of GR00T: names for parts of vectors, for cameras, and for columns that number instructions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from lapsdata.adapters.lerobot.info import read_json
from lapsdata.errors import Problems, SchemaError
from lapsdata.schema import Group
from lapsdata.schema.episodes import Rotation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lapsdata.errors import Problem
    from lapsdata.schema import Camera, Feature

__all__ = ["MODALITY", "USUAL", "Modality", "read_modality"]

MODALITY = "meta/modality.json"

_VECTORS = {"state": "observation.state", "action": "action"}
USUAL = {**_VECTORS, "video": "observation.images.{}", "annotation": "annotation.{}"}
"""What a name of each kind stands for where it does not say it: a column or camera, `{}` being the name."""
_ROTATIONS = get_args(Rotation)


class Modality(NamedTuple):
    """What `modality.json` says.

    Parameters
    ----------
    groups : tuple of Group
        `state.left_arm` ...: parts of vectors that the data set has.
    cameras : mapping of str
        `video.ego_view` ...: a camera of the data set by each name.
    annotations : mapping of str
        `annotation.human.validity` ...: a column of the data set by each name.
    notes : tuple of Problem
        What it names and the data set does not have: left out.
    """

    groups: tuple[Group, ...] = ()
    cameras: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    notes: tuple[Problem, ...] = ()


def read_modality(root: Path, features: Sequence[Feature], cameras: Sequence[Camera]) -> Modality:
    """Read `meta/modality.json`; nothing is named where there is none.

    Raises
    ------
    SchemaError
        No object of `state`, `action`, `video` and `annotation`, or entries of another form: all of them.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> read_modality(pathlib.Path(tempfile.mkdtemp()), (), ()).groups
    ()
    """
    path = root / MODALITY
    if not path.is_file():
        return Modality()
    told = read_json(path)
    found = Problems(str(path))
    if not isinstance(told, dict) or not all(isinstance(part, dict) for part in told.values()):
        found.add("wrong-type", "", "expected an object of state, action, video and annotation")
        found.raise_as(SchemaError)
    shapes = {feature.name: feature.shape for feature in features}
    groups = [
        group
        for part, usual in _VECTORS.items()
        for name, one in told.get(part, {}).items()
        if (group := _group(f"{part}.{name}", one, usual, shapes, found)) is not None
    ]
    known = {camera.name for camera in cameras}
    by_camera = _references(told.get("video", {}), "video", "observation.images.", known, found)
    by_column = _references(told.get("annotation", {}), "annotation", "annotation.", set(shapes), found)
    found.raise_as(SchemaError)
    return Modality(tuple(groups), by_camera, by_column, tuple(found))


def _group(
    name: str,
    one: Any,  # noqa: ANN401 - whatever JSON holds
    usual: str,
    shapes: Mapping[str, tuple[int, ...]],
    found: Problems,
) -> Group | None:
    if not isinstance(one, dict) or not isinstance(one.get("start"), int) or not isinstance(one.get("end"), int):
        found.add("wrong-value", name, f"expected an object with whole numbers start and end, got {one!r}")
        return None
    feature = one.get("original_key") or usual
    shape = shapes.get(feature)
    length = 0 if shape is None else (shape[0] if shape else 1)
    start, stop = one["start"], one["end"]
    if not 0 <= start < stop <= length:
        got = f"{feature} of {length} numbers" if length else f"no column {feature}"
        message = f"expected numbers {start} to {stop} of {feature}, got {got}: it is left out"
        found.add("unknown-part", name, message, "correct start and end, or original_key", "warning")
        return None
    rotation = one.get("rotation_type")
    if rotation is not None and rotation not in _ROTATIONS:
        found.add("wrong-value", f"{name}: rotation_type", f"expected one of {', '.join(_ROTATIONS)}, got {rotation!r}")
        return None
    absolute = one.get("absolute")
    return Group(name=name, feature=feature, start=start, stop=stop, rotation=rotation, absolute=absolute)


def _references(told: dict[str, Any], part: str, usual: str, known: set[str], found: Problems) -> dict[str, str]:
    """Return what each name stands for, of those that are known."""
    by_name = {}
    for name, one in told.items():
        where = f"{part}.{name}"
        original = one.get("original_key") if isinstance(one, dict) else None
        target = original or f"{usual}{name}"
        if target in known:
            by_name[where] = target
        else:
            message = (
                f"expected a {'camera' if part == 'video' else 'column'} {target} in info.json, got none: left out"
            )
            found.add("unknown-reference", where, message, "correct original_key", "warning")
    return by_name

"""Features and cameras as LeRobot's users ask for them: by key, beside the attributes of our records."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lapsdata.schema import Camera, EpisodesHeader, Feature, Group

__all__ = ["DescribedFeature", "described", "features_told"]


@dataclass(frozen=True, eq=False, repr=False)
class DescribedFeature(Mapping[str, Any]):
    """One feature, camera or part of a vector: attributes of its record, and the keys that LeRobot has for it.

    Keys are those of `info.json`: `dtype` (`"string"` for texts, `"video"` and `"image"` for cameras), `shape`, a
    tuple as LeRobot gives it, `names` as the file spells them, and whatever stands beside them. It is read-only.

    Parameters
    ----------
    record : Feature, Camera or Group
        Whose attributes are those of this as well.
    told : mapping
        By key.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_episodes
    >>> state = described(sample_episodes().header)["observation.state"]
    >>> state.dtype, state["dtype"], state.shape, state["shape"], state.get("info")
    ('float32', 'float32', (3,), (3,), None)
    >>> sorted(state)
    ['dtype', 'names', 'shape']
    """

    record: Feature | Camera | Group
    told: Mapping[str, Any]

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401 - whatever JSON holds
        return self.told[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.told)

    def __len__(self) -> int:
        return len(self.told)

    def __repr__(self) -> str:
        return repr(self.record)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as the record has it
        # Copies and pickles ask before there is a record.
        if name.startswith("__") or name in ("record", "told"):
            raise AttributeError(name)
        return getattr(self.record, name)


def features_told(header: EpisodesHeader) -> dict[str, dict[str, Any]]:
    """Return what `features` of `info.json` says of the columns and cameras that were read, by name; new objects.

    What was read stands before what the file says: the type that rows have. What nobody says is made of the header.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_episodes
    >>> features_told(sample_episodes().header)["observation.state"]
    {'dtype': 'float32', 'shape': [3], 'names': [...]}
    """
    said = header.extras.get("features")
    stated: Mapping[str, Any] = copy.deepcopy(said) if isinstance(said, dict) else {}
    found: dict[str, dict[str, Any]] = {}
    for one in header.features:
        dtype = "string" if one.dtype == "text" else one.dtype
        names = None if one.names is None else list(one.names)
        told = {"dtype": dtype, "shape": list(one.shape or (1,)), "names": names}
        found[one.name] = told | stated.get(one.name, {})
    for camera in header.cameras:
        size = [] if camera.size is None else [camera.size.height, camera.size.width, 3]
        told = {
            "dtype": "video" if camera.stored == "video" else "image",
            "shape": size,
            "names": ["height", "width", "channels"] if size and camera.name not in stated else None,
        }
        found[camera.name] = told | stated.get(camera.name, {})
    return found


def described(header: EpisodesHeader) -> dict[str, DescribedFeature]:
    """Return features, cameras and parts of vectors, by name."""
    told = features_told(header)
    found: dict[str, DescribedFeature] = {}
    every: list[Feature | Camera] = [*header.features, *header.cameras]
    for one in every:
        entry = told[one.name]
        found[one.name] = DescribedFeature(one, entry | {"shape": tuple(entry["shape"])})
    columns = {feature.name: feature for feature in header.features}
    for group in header.groups:
        whole = columns[group.feature]
        names = None if whole.names is None else list(whole.names[group.start : group.stop])
        entry = {"dtype": whole.dtype, "shape": (group.stop - group.start,), "names": names}
        found[group.name] = DescribedFeature(group, entry)
    return found

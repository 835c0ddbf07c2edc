"""Views of several files as one: sets stand behind one another, and pixels stay where they are."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.containers.views import LAYERS, Layer, Pixels, Views
from lapsdata.errors import Problem, SchemaError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lapsdata.schema.base import Provenance
    from lapsdata.schema.views import AgentSelection

__all__ = ["joined_views"]


def joined_views(parts: Sequence[Views], names: Sequence[str], provenance: Provenance) -> Views:
    """Return the sets of several containers, those of the first one first.

    Camera models that are equal become one, and what policies counted is added up.

    Parameters
    ----------
    parts : sequence of Views
        At least one.
    names : sequence of str
        What each is called, for messages.
    provenance : Provenance
        Of the whole.

    Raises
    ------
    SchemaError
        A set is in two of them (`set-twice`), or the agents of a split are chosen by two rules (`several-selections`).

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_views
    >>> views = sample_views()
    >>> both = joined_views([views.take([1]), views.take([0])], ["a.h5", "b.h5"], views.header.provenance)
    >>> both.split, len(both.header.cameras)
    (('validate', 'train'), 1)
    """
    _expect_each_set_once(parts, names)
    cameras = tuple(dict.fromkeys(model for part in parts for model in part.header.cameras))
    place = {model: number for number, model in enumerate(cameras)}
    counted: Counter[str] = Counter()
    for part in parts:
        counted.update(part.header.policies)
    header = parts[0].header.model_copy(
        update={
            "provenance": provenance,
            "policies": dict(counted),
            "cameras": cameras,
            "selections": _selections(parts, names),
        }
    )
    starts = np.cumsum([0, *(len(part) for part in parts)]).tolist()
    models = [np.array([place[model] for model in part.header.cameras], np.int64)[part.model] for part in parts]
    return Views(
        header,
        split=tuple(name for part in parts for name in part.split),
        scenario=tuple(name for part in parts for name in part.scenario),
        frame=np.concatenate([part.frame for part in parts]),
        time_s=np.concatenate([part.time_s for part in parts]),
        set_stop=np.concatenate([part.set_stop + start for part, start in zip(parts, starts, strict=False)]),
        agent=tuple(name for part in parts for name in part.agent),
        camera=tuple(name for part in parts for name in part.camera),
        model=np.concatenate(models),
        cam2world=np.concatenate([part.cam2world for part in parts]),
        present={layer: np.concatenate([part.present[layer] for part in parts]) for layer in LAYERS},
        pixels=_Joined(tuple(part.pixels for part in parts), tuple(starts[:-1])),
    )


@dataclass(frozen=True, slots=True)
class _Joined:
    """Pixels of containers whose views stand behind one another."""

    parts: tuple[Pixels, ...]
    starts: tuple[int, ...]

    def read(self, layer: Layer, view: int) -> NDArray[Any]:
        """Return a layer of a view; see `Pixels`."""
        part = self._part(view)
        return self.parts[part].read(layer, view - self.starts[part])

    def told(self, layer: Layer, view: int) -> str:
        """Return where it lies; see `Pixels`."""
        part = self._part(view)
        return self.parts[part].told(layer, view - self.starts[part])

    def _part(self, view: int) -> int:
        return int(np.searchsorted(self.starts, view, "right")) - 1


def _expect_each_set_once(parts: Sequence[Views], names: Sequence[str]) -> None:
    """Refuse sets that are in two files: whoever counts or trains would take them twice."""
    seen: dict[tuple[str, str, int], str] = {}
    for part, name in zip(parts, names, strict=True):
        own = set(zip(part.split, part.scenario, part.frame.tolist(), strict=True))
        twice = sorted(own & seen.keys())
        if twice:
            split, scenario, frame = twice[0]
            message = (
                f"expected each set in one file, got {len(twice)} in {seen[twice[0]]} too, the first "
                f"{split}/{scenario}, frame {frame}"
            )
            raise SchemaError(Problem("set-twice", name, message, "name one of the files, or move one away"))
        seen |= dict.fromkeys(own, name)


def _selections(parts: Sequence[Views], names: Sequence[str]) -> dict[str, AgentSelection]:
    found: dict[str, AgentSelection] = {}
    for part, name in zip(parts, names, strict=True):
        for split, rule in part.header.selections.items():
            if found.setdefault(split, rule) != rule:
                message = f"expected one rule that chooses the agents of {split}, got {found[split]} and {rule}"
                raise SchemaError(Problem("several-selections", name, message, "name one of the files"))
    return found

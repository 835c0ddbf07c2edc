"""What `open_view_sets` is told, checked all at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any, Literal, get_args

from lapsdata.errors import Problems, SchemaError, whole_number
from lapsdata.loading._window_options import listed_names
from lapsdata.loading.permutation import MOST

__all__ = ["MissingDepth", "MissingPredictions", "Pick", "PoseFrame", "TooFew", "ViewOptions"]

TooFew = Literal["error", "leave_out", "fewer"]
"""What becomes of sets with too few views: an error; they are left out; or they give those counts that they can."""

MissingDepth = Literal["error", "leave_out", "empty"]
"""What becomes of sets with views that have no depth: an error; they are left out; or depth is 0 everywhere."""

MissingPredictions = Literal["error", "leave_out"]
"""What becomes of sets with views that nobody predicted."""

Pick = Literal["drawn", "first"]
"""Which views of a set are taken where it has more: the first and drawn ones, or the first ones."""

PoseFrame = Literal["world", "first_view"]
"""Where poses lead to: the world of the scenario, or the camera of the first view of the sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewOptions:
    """What `open_view_sets` was asked for; see there."""

    views: int | Sequence[int]
    split: str | None = None
    depth_root: str | PathLike[str] | None = None
    agents: int | str | None = None
    cameras: Sequence[str] | None = None
    pick: Pick = "drawn"
    too_few: TooFew = "error"
    missing_depth: MissingDepth = "error"
    missing_predictions: MissingPredictions = "error"
    pose_frame: PoseFrame = "world"
    dataset: str = "views"
    seed: int = 0

    @property
    def counts(self) -> tuple[int, ...]:
        """How many views a sample may have, the fewest first."""
        return (self.views,) if isinstance(self.views, int) else tuple(self.views)

    def checked(self) -> ViewOptions:
        """Return the same with Python's own whole numbers and tuples.

        Raises
        ------
        SchemaError
            All that is wrong.
        """
        found = Problems("open_view_sets")
        made: dict[str, Any] = {"views": self._views(found), "seed": whole_number(self.seed)}
        if made["seed"] is None or not 0 <= made["seed"] <= MOST:
            found.add("wrong-value", "seed", f"expected a whole number from 0 on, got {self.seed!r}")
        for name, words in _WORDS.items():
            if getattr(self, name) not in words:
                found.add("wrong-value", name, f"expected one of {words}, got {getattr(self, name)!r}")
        if self.cameras is not None:
            try:
                made["cameras"] = listed_names("cameras", self.cameras)
            except SchemaError as error:
                found.extend(error.problems)
        made |= self._told(found)
        names: dict[str, object] = {"split": self.split, "dataset": self.dataset}
        for name, value in names.items():
            if not isinstance(value, str) and not (name == "split" and value is None):
                found.add("wrong-value", name, f"expected a text, got {value!r}")
        found.raise_as(SchemaError)
        return replace(self, **made)

    @property
    def told(self) -> dict[str, Any]:
        """What is said of files of others, once it is checked: `depth_root` and `agents`, as far as they are given."""
        told = {"depth_root": self.depth_root, "agents": self.agents}
        return {name: value for name, value in told.items() if value is not None}

    def _told(self, found: Problems) -> dict[str, Path | str]:
        made: dict[str, Path | str] = {}
        root: object = self.depth_root
        if isinstance(root, (str, PathLike)):
            made["depth_root"] = Path(root)
        elif root is not None:
            found.add("wrong-value", "depth_root", f"expected a folder, got {root!r}")
        agents: object = self.agents
        if isinstance(agents, str) or whole_number(agents) is not None:
            made["agents"] = str(agents)
        elif agents is not None:
            found.add("wrong-value", "agents", f"expected 2, or 'train=2,validate=4', got {agents!r}")
        return made

    def _views(self, found: Problems) -> int | tuple[int, ...]:
        given: object = self.views
        several = isinstance(given, Sequence) and not isinstance(given, str)
        numbers = [whole_number(one) for one in given] if isinstance(given, Sequence) else [whole_number(given)]
        counts = sorted({one for one in numbers if one is not None and 1 <= one <= MOST})
        if not counts or len(counts) < len(numbers):
            message = f"expected a number of views from 1 on, or several, each once, got {given!r}"
            found.add("wrong-value", "views", message)
            return 1
        return tuple(counts) if several else counts[0]


_WORDS: dict[str, tuple[str, ...]] = {
    "pick": get_args(Pick),
    "too_few": get_args(TooFew),
    "missing_depth": get_args(MissingDepth),
    "missing_predictions": get_args(MissingPredictions),
    "pose_frame": get_args(PoseFrame),
}

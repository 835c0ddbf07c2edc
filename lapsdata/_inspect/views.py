"""Views of many files: splits, scenarios and agents, with frames, cameras, pictures, and where cameras were."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.checks._view_splits import unknown_splits, wanted_splits
from lapsdata.checks.view_stats import SAMPLE, split_stats, stats_tables
from lapsdata.containers import LAYERS, Views
from lapsdata.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lapsdata.adapters import Adapter
    from lapsdata.checks.view_stats import SplitStats
    from lapsdata.errors import Problem
    from lapsdata.formats._views_folder import ViewsFolder
    from lapsdata.timebase import FrameRate

__all__ = [
    "InspectedViews",
    "SeenScenario",
    "all_splits",
    "counted_views",
    "look_at_folder",
    "look_at_views",
    "looked_at",
    "of_splits",
]

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class SeenScenario:
    """What a scenario holds.

    Parameters
    ----------
    split, scenario : str
    agents : tuple of str
        In the order of their first set, the ego first.
    sets, views : int
    first, last : int
        Numbers of its first and last frame.
    layers : dict of int
        Views that have a layer, by its name.
    furthest_m : float
        The longest way from one of its cameras to the mean of all.
    """

    split: str
    scenario: str
    agents: tuple[str, ...]
    sets: int
    views: int
    first: int
    last: int
    layers: dict[str, int]
    furthest_m: float

    def as_json(self) -> dict[str, Any]:
        """Return the scenario as a JSON-ready dictionary."""
        return {
            "split": self.split,
            "scenario": self.scenario,
            "agents": list(self.agents),
            "sets": self.sets,
            "views": self.views,
            "frames": [self.first, self.last],
            "layers": self.layers,
            "furthest_m": self.furthest_m,
        }


def counted_views(views: Views) -> tuple[SeenScenario, ...]:
    """Return what each scenario holds, in the order of its first set.

    Parameters
    ----------
    views : Views

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_views
    >>> [(one.scenario, one.sets, one.agents) for one in counted_views(sample_views())]
    [('2021_08_22_21_41_24', 1, ('641', '1000')), ('2021_09_09_13_20_58', 1, ('641',))]
    """
    keys = list(zip(views.split, views.scenario, strict=True))
    number = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    of_set = np.array([number[key] for key in keys], np.int64)
    of_view = of_set[views.set_of]
    found = []
    for key, place in number.items():
        mine = np.flatnonzero(of_view == place)
        frames = views.frame[of_set == place]
        centres = views.cam2world[mine, :3, 3]
        away = np.linalg.norm(centres - centres.mean(axis=0), axis=1)
        found.append(
            SeenScenario(
                *key,
                agents=tuple(dict.fromkeys(views.agent[view] for view in mine.tolist())),
                sets=len(frames),
                views=len(mine),
                first=int(frames.min()),
                last=int(frames.max()),
                layers={layer: int(views.present[layer][mine].sum()) for layer in LAYERS},
                furthest_m=float(away.max()),
            )
        )
    return tuple(found)


@dataclass(frozen=True, slots=True)
class InspectedViews:
    """Views that an adapter has read, or of files of ours in one folder.

    Parameters
    ----------
    path : Path
    adapter : str
        What reads it: an adapter, or the format of the files.
    views : Views
    rate : str or None
        Numbers of frames in a second, and how that is known; None where files say the time of each set.
    notes : tuple of Problem
        What is wrong with it, or was counted.
    splits : tuple of SplitStats
        What its splits are like, by the depth of some sets.
    files : tuple of str
        Names of the files of ours; none of those of others.
    """

    path: Path
    adapter: str
    views: Views
    rate: str | None
    notes: tuple[Problem, ...]
    splits: tuple[SplitStats, ...] = ()
    files: tuple[str, ...] = ()

    def facts(self) -> dict[str, str]:
        """Return names and texts, in the order in which they are read; scenarios have a table of their own."""
        looked = looked_at(self.splits)
        if self.rate is None:
            read = f"every checksum was compared; masks and depth are those of {looked}"
            return {
                "folder": str(self.path),
                "format": f"{self.adapter}, {self._listed}",
                **self.views.facts(),
                "read": read,
            }
        return {
            "folder": str(self.path),
            "format": f"{self.adapter}, read as views",
            **self.views.facts(),
            "frames": self.rate,
            "read": f"every pose, and the depth of {looked}; no picture was decoded",
        }

    @property
    def _listed(self) -> str:
        more = len(self.files) - _SHOWN
        names = ", ".join(self.files[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
        return f"{len(self.files)} file{'s' * (len(self.files) != 1)}: {names}"

    def tables(self) -> list[tuple[list[str], list[list[str]]]]:
        """Return the scenarios, with headings and rows of texts."""
        names = ["split", "scenario", "agents", "sets", "views", "frames", "pictures", "depth", "furthest m"]
        rows = [
            [
                one.split,
                one.scenario,
                " ".join(one.agents),
                str(one.sets),
                str(one.views),
                f"{one.first}-{one.last}",
                str(one.layers["image"]),
                str(one.layers["depth"]),
                f"{one.furthest_m:.1f}",
            ]
            for one in counted_views(self.views)[:_SHOWN]
        ]
        return [(names, rows), *stats_tables(self.splits)]

    @property
    def remark(self) -> str | None:
        """How many scenarios are not listed; None where all are."""
        more = len(counted_views(self.views)) - _SHOWN
        return f"{more} more scenarios are not listed: --json lists all" if more > 0 else None

    def as_json(self) -> dict[str, Any]:
        """Return everything but the notes, which a document lists by themselves."""
        return {
            "path": str(self.path),
            "format": self.adapter,
            "files": list(self.files),
            "facts": self.facts(),
            "header": self.views.header.as_json(),
            "scenarios": [one.as_json() for one in counted_views(self.views)],
            "splits": [one.as_json() for one in self.splits],
        }


def of_splits(path: Path, views: Views, splits: Sequence[str] | None) -> Views:
    """Return the sets of some splits; all where none is named.

    Raises
    ------
    SchemaError
        One of them is not there (`unknown-split`).

    Examples
    --------
    >>> import pathlib
    >>> from lapsdata.testing.samples import sample_views
    >>> of_splits(pathlib.Path("scene.h5"), sample_views(), ["val"]).split
    ('validate',)
    """
    if splits is None:
        return views
    if (unknown := unknown_splits(set(views.split), splits, str(path))) is not None:
        raise SchemaError(unknown)
    wanted = wanted_splits(views, splits)
    return views.take([place for place, split in enumerate(views.split) if split in wanted])


def look_at_folder(
    path: Path, found: ViewsFolder, sample: int | None = None, splits: Sequence[str] | None = None
) -> InspectedViews:
    """Look at files of views in a folder.

    Parameters
    ----------
    path : Path
    found : ViewsFolder
        What was opened there.
    sample : int, optional
        Sets of each split whose masks and depth are read; 8 by default.
    splits : sequence of str, optional
        Those alone.

    Raises
    ------
    SchemaError
        One of them is not there.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.formats import write
    >>> from lapsdata.formats._views_folder import open_views_folder
    >>> from lapsdata.testing.samples import sample_views
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = write(folder / "train.h5", sample_views().take([0]))
    >>> look_at_folder(folder, open_views_folder(folder)).facts()["format"]
    'views_hdf5, 1 file: train.h5'
    """
    views = of_splits(path, found.views, splits)
    stats = all_splits(views, sample)
    notes = (*found.notes, *(problem for one in stats for problem in one.problems))
    names = tuple(one.name for one in found.files)
    return InspectedViews(path, "views_hdf5", views, None, notes, stats, names)


def all_splits(views: Views, sample: int | None = None) -> tuple[SplitStats, ...]:
    """Return what each split of views is like.

    Parameters
    ----------
    views : Views
    sample : int, optional
        Sets of each whose masks and depth are read; 8 by default.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_views
    >>> [one.split for one in all_splits(sample_views())]
    ['train', 'validate']
    """
    most = SAMPLE if sample is None else sample
    return tuple(split_stats(views, split, most) for split in dict.fromkeys(views.split))


def looked_at(splits: Sequence[SplitStats]) -> str:
    """Return in words of how many sets masks and depth were read.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_views
    >>> looked_at(all_splits(sample_views()))
    '2 of 2 sets'
    """
    return f"{sum(one.looked_at for one in splits):,} of {sum(one.sets for one in splits):,} sets"


def look_at_views(
    path: Path,
    adapter: Adapter,
    rate: FrameRate | str | float | None = None,
    *,
    depth_root: Path | None = None,
    sample: int | None = None,
    splits: Sequence[str] | None = None,
) -> InspectedViews:
    """Read the poses of views of others.

    Parameters
    ----------
    path : Path
    adapter : Adapter
        The one that knows it.
    rate : FrameRate, str or number, optional
        Numbers of frames in a second, where they are others than usual.
    depth_root : Path, optional
        Where their depth lies.
    sample : int, optional
        Sets of each split whose depth is read; 8 by default.
    splits : sequence of str, optional
        Those alone are shown; notes are of all that was read.

    Raises
    ------
    LapsError
        It cannot be read, or has no such split.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.adapters import find_adapter
    >>> from lapsdata.testing.opv2v_scenes import write_opv2v
    >>> root = pathlib.Path(tempfile.mkdtemp())
    >>> _ = write_opv2v(root)
    >>> found = look_at_views(root, find_adapter(root)[0])
    >>> found.tables()[0][1][0][:4]
    ['train', '2021_08_22_21_41_24', '1000 641 -1', '3']
    """
    from lapsdata.adapters import read_adapted

    adapted = read_adapted(adapter, path, {"rate": rate, "depth_root": depth_root})
    views = adapted.container
    if not isinstance(views, Views):
        raise TypeError(f"{adapter.name} promises views, and reads {type(views).__name__}")
    views = of_splits(path, views, splits)
    told = f"{adapted.rate} numbers in a second ({adapted.rate_origin})"
    stats = all_splits(views, sample)
    notes = (*adapted.told(path), *(problem for one in stats for problem in one.problems))
    return InspectedViews(path, adapter.name, views, told, notes, stats)

"""Statistics of a data set of LeRobot: as it says, merged from those of its episodes, or computed from its rows."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lapsdata.adapters._stated import StatedStats
from lapsdata.adapters.lerobot._episode_stats import (
    EpisodeStats,
    by_episode,
    each_episode,
    merged,
    stated_numbers,
    where_stated,
)
from lapsdata.adapters.lerobot.info import DEFAULTS, read_info, read_json
from lapsdata.errors import Problem, SchemaError
from lapsdata.schema.feature_stats import MOMENTS, QUANTILES, FeatureStats
from lapsdata.storage.episode_rows import EpisodeRows
from lapsdata.transforms.episode_stats import episode_stats

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lapsdata.adapters.lerobot.reading import LeRobotSet
    from lapsdata.errors import Severity

__all__ = ["STATS", "SetStats", "read_stats", "stated_stats"]

STATS = "meta/stats.json"

_USUAL = ("q01", "q99")
_FIXES = dict.fromkeys(("wrong-statistics", "statistics-of-other-rows"), "write the statistics of the rows again")


class SetStats(NamedTuple):
    """Statistics of a data set.

    Parameters
    ----------
    by_feature : dict of FeatureStats
        Of every feature of numbers, and of each camera of which the data set says any, by name.
    notes : tuple of Problem
        What was not there, or wrong, and was computed or left out.
    """

    by_feature: dict[str, FeatureStats]
    notes: tuple[Problem, ...]


def read_stats(found: LeRobotSet, names: Sequence[str] | None = None, *, quantiles: Sequence[str] = _USUAL) -> SetStats:
    """Return statistics of features; what the data set does not say is computed from all its rows, and noted.

    What is said of all rows in `meta/stats.json` comes first, then what is said of each episode (`episodes_stats` of
    version 2.1, the columns `stats/` of version 3), merged over the episodes whose rows are there. Quantiles of
    episodes cannot be merged, and are computed. Those that LeRobot itself writes into `stats.json` of version 3 are
    means of the quantiles of the episodes; they are returned as said (`quantiles_origin="stated"`), and `episode_stats`
    gives those of the rows. Statistics of images are taken as they are said, and never computed.

    Parameters
    ----------
    found : LeRobotSet
    names : sequence of str, optional
        Features and cameras; all by default.
    quantiles : sequence of {"q01", "q10", "q50", "q90", "q99"}
        Which must be there, and are computed otherwise; none: nothing is read for quantiles alone.

    Raises
    ------
    SchemaError
        Statistics that are no numbers by feature, names that the data set does not have; as `episode_stats`.
    UnknownFormatError
        A Git LFS pointer stands for a file.
    CorruptDataError, StorageError
        Files that cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.adapters.lerobot.reading import read_set
    >>> from lapsdata.testing.episode_sets import write_lerobot
    >>> stats, notes = read_stats(read_set(write_lerobot(pathlib.Path(tempfile.mkdtemp()) / "set")), ["action"])
    >>> stats["action"].origin, stats["action"].quantiles_origin, notes[0].code
    ('merged', 'computed', 'no-quantiles')
    """
    header = found.episodes.header
    features = {one.name: one.shape for one in header.features if one.dtype != "text"}
    known = [*features, *(camera.name for camera in header.cameras)]
    wanted = known if names is None else list(names)
    if strange := sorted(set(wanted) - set(known)):
        message = f"expected features of numbers, or cameras, got {', '.join(strange)}"
        raise SchemaError(Problem("unknown-feature", str(found.root), message))
    told = _Told(found, {name: features.get(name) for name in wanted})
    told.read()
    unseen = [name for name in wanted if name not in features and name not in told.stats]
    told.note("no-image-statistics", unseen, "expected statistics of images, got none: they are not computed", "info")
    without = [name for name in wanted if name in features and name not in told.stats]
    short = [name for name in told.stats if name in features and _lacks(told.stats[name], quantiles)]
    if without:
        told.stats |= _computed(found, without, quantiles=bool(quantiles))
        told.note("no-statistics", without, "expected statistics, got none that hold: they are computed from the rows")
    if short:
        computed = _computed(found, short, quantiles=True)
        told.stats |= {name: _with_quantiles(told.stats[name], computed[name]) for name in short}
        message = f"expected the quantiles {', '.join(quantiles)}, got not all of them: computed from the rows"
        told.note("no-quantiles", short, message, "info")
    return SetStats({name: told.stats[name] for name in wanted if name in told.stats}, tuple(told.notes))


def _lacks(stats: FeatureStats, quantiles: Sequence[str]) -> bool:
    return any(getattr(stats, name) is None for name in quantiles)


def _computed(found: LeRobotSet, names: list[str], *, quantiles: bool) -> dict[str, FeatureStats]:
    rows = EpisodeRows(found.root, found.episodes)
    return episode_stats(rows, found.episodes, names, quantiles=quantiles)


def _with_quantiles(stats: FeatureStats, computed: FeatureStats) -> FeatureStats:
    """Return what was said, with all quantiles of the rows: none of two origins stand side by side."""
    values = {name: getattr(computed, name) for name in QUANTILES}
    return stats.model_copy(update={**values, "quantiles_origin": "computed"})


class _Told:
    """What a data set says of some of its features, and what is wrong with it."""

    def __init__(self, found: LeRobotSet, shapes: Mapping[str, tuple[int, ...] | None]) -> None:
        self._found, self._shapes = found, shapes
        self._meta = found.root / "meta"
        self.stats: dict[str, FeatureStats] = {}
        self.notes: list[Problem] = []

    def note(self, code: str, names: Sequence[str], message: str, severity: Severity = "warning") -> None:
        """Note what holds for some features, once."""
        if names:
            self.notes.append(Problem(code, f"{self._meta}: {', '.join(names)}", message, _FIXES.get(code), severity))

    def read(self) -> None:
        """Read what is said of all rows; where nothing is, of the episodes."""
        path = self._found.root / STATS
        if path.is_file():
            self._stated(path)
        absent = [name for name in self._shapes if name not in self.stats]
        if absent:
            self._merge(absent)

    def _stated(self, path: Path) -> None:
        told = _by_feature(path)
        wrong, other_rows = [], []
        rows = int(self._found.episodes.rows.sum())
        for name in self._shapes:
            if name not in told:
                continue
            one = _parsed(told[name], self._shapes[name])
            if one is None:
                wrong.append(name)
                continue
            self.stats[name] = one
            if self._shapes[name] is not None and one.count not in (None, rows):
                other_rows.append(name)
        message = "expected min, max, mean and std with one number for each of the feature, got others: not used"
        self.note("wrong-statistics", wrong, message)
        if other_rows:
            counts = {self.stats[name].count for name in other_rows}
            message = f"they are of {', '.join(map(str, sorted(counts, key=str)))} rows, and {rows} rows are there"
            self.note("statistics-of-other-rows", other_rows, f"{message}: used as they are")

    def _merge(self, names: list[str]) -> None:
        episodes = by_episode(self._meta, names, self._found.episodes.number)
        if episodes is None:
            return
        self.notes.extend(episodes.notes)
        wrong = []
        for name in names:
            if name in episodes.by_feature:
                one = self._merged(episodes, name)
                if one is None:
                    wrong.append(name)
                else:
                    self.stats[name] = one
        message = (
            "expected numbers of each episode, got some that are missing, of another size or number of rows: not used"
        )
        self.note("wrong-statistics", wrong, message)

    def _merged(self, episodes: EpisodeStats, name: str) -> FeatureStats | None:
        """Return the statistics of a feature, None where those of some episode do not hold."""
        parts = episodes.by_feature[name]
        shape = self._shapes[name]
        sizes = {parts[kind].shape[1] for kind in MOMENTS}
        size = None if shape is None else int(np.prod(shape, dtype=np.int64))
        if len(sizes) != 1 or (size is not None and sizes != {size}):
            return None
        if parts["count"].shape[1] != 1:
            return None
        if shape is not None and (parts["count"][:, 0] != self._found.episodes.rows).any():
            return None
        return merged(parts, (sizes.pop(), 1, 1) if shape is None else shape)


def stated_stats(root: Path) -> StatedStats:
    """Return the statistics that a data set states, as it states them.

    Those of frames are of a sample that nobody knows; those of times and numbers of rows are normalised with by nobody,
    and left as they were when episodes are numbered anew.

    Raises
    ------
    SchemaError
        A description or statistics of another form.
    UnknownFormatError, CorruptDataError, StorageError
        A file that cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.testing.episode_sets import write_lerobot
    >>> stated = stated_stats(write_lerobot(pathlib.Path(tempfile.mkdtemp()) / "set", lengths=(4, 6)))
    >>> [(number, said["next.reward"]["mean"].tolist()) for number, said in stated.by_episode()]
    [(0, [0.25]), (1, [0.16666666666666666])]
    """
    left_out = frozenset({*DEFAULTS, *(camera.name for camera in read_info(root).cameras)})
    path, meta = root / STATS, root / "meta"
    there = path.is_file()
    return StatedStats(
        of_all=stated_numbers(_by_feature(path), left_out) if there else {},
        by_episode=functools.partial(each_episode, meta, left_out),
        of_all_in=STATS if there else None,
        by_episode_in=where_stated(meta),
        left_out=left_out,
    )


def _by_feature(path: Path) -> dict[str, dict[str, Any]]:
    told = read_json(path)
    if not isinstance(told, dict) or not all(isinstance(one, dict) for one in told.values()):
        message = "expected an object of statistics by feature"
        raise SchemaError(Problem("wrong-type", str(path), message))
    return told


def _parsed(told: dict[str, Any], shape: tuple[int, ...] | None) -> FeatureStats | None:
    """Return what is said of one feature; None where it is not complete, or of another size.

    A single number may stand where a list of one is usual. Of images there is a number for each channel.
    """
    arrays = {}
    for kind in (*MOMENTS, *QUANTILES, "count"):
        try:
            if told.get(kind) is not None:
                arrays[kind] = np.array(told[kind], np.float64).reshape(-1)
        except (ValueError, TypeError):
            return None
    if not set(MOMENTS) <= set(arrays):
        return None
    of = (len(arrays["mean"]), 1, 1) if shape is None else shape
    size = int(np.prod(of, dtype=np.int64))
    count = arrays.pop("count", np.zeros(0))
    if any(len(array) != size or not np.isfinite(array).all() for array in arrays.values()):
        return None
    quantiles = any(kind in arrays for kind in QUANTILES)
    return FeatureStats(
        shape=of,
        origin="stated",
        count=int(count[0]) if len(count) == 1 and count[0] >= 0 else None,
        quantiles_origin="stated" if quantiles else None,
        **{kind: tuple(array.tolist()) for kind, array in arrays.items()},  # type: ignore[arg-type]  # numbers by kind
    )

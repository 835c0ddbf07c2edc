"""Statistics of the columns of a set, exact: of each episode, and of all rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lapsdata.adapters.lerobot.info import read_json
from lapsdata.adapters.lerobot.tables import find_table
from lapsdata.errors import SchemaError
from lapsdata.schema.feature_stats import QUANTILES
from lapsdata.storage.episode_rows import EpisodeRows
from lapsdata.transforms.episode_stats import Moments, exact_quantiles, row_quantiles, stated_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.containers import Episodes

    Column = dict[str, NDArray[Any]]

__all__ = ["NO_STATS", "QUANTILES", "SetStats", "column_stats", "set_stats", "told_stats"]

_PLAIN = ("min", "max", "mean", "std")


class SetStats(NamedTuple):
    """What numbers of each column are, by the words of LeRobot.

    Parameters
    ----------
    episodes : dict of dict of np.ndarray (E, D) or list
        By column and kind; a list where that is not known of an episode, which has None.
    total : dict of dict of np.ndarray (D,) or list
        Of all rows.
    """

    episodes: dict[str, dict[str, Any]]
    total: dict[str, dict[str, Any]]

    def beside(self, others: SetStats) -> SetStats:
        """Return those of the columns of both."""
        return SetStats({**self.episodes, **others.episodes}, {**self.total, **others.total})


NO_STATS = SetStats({}, {})


def column_stats(values: NDArray[Any]) -> Column:
    """Return minimum, maximum, mean, deviation of all values (not of a sample), number and quantiles of rows.

    Parameters
    ----------
    values : np.ndarray (R, ...)
        A number per row is one of shape (1,).
    """
    flat = values.reshape(len(values), -1)
    marks = np.stack([exact_quantiles(one.copy(), list(QUANTILES.values())) for one in flat.T], axis=1)
    return _column(values.shape[1:], Moments.of(flat), dict(zip(QUANTILES, marks, strict=True)))


def _column(shape: tuple[int, ...], moments: Moments, quantiles: dict[str, NDArray[np.float64]]) -> Column:
    known = moments.count > 0
    std = np.where(known, np.sqrt(moments.squares / np.maximum(moments.count, 1)), np.nan)
    mean = np.where(known, moments.mean, np.nan)
    found = {"min": moments.low, "max": moments.high, "mean": mean, "std": std, **quantiles}
    plain = {kind: array.reshape(shape or (1,)) for kind, array in found.items()}
    return plain | {"count": np.array([moments.rows])}


def set_stats(root: Path, episodes: Episodes) -> SetStats:
    """Return statistics of all columns of numbers; one episode is held at a time, and a block of a column of all.

    Of a nullable column they are of the rows that have a value; None of an episode, and none of the set, without any.
    """
    rows = EpisodeRows(root, episodes)
    shapes = {feature.name: feature.shape for feature in episodes.header.features if feature.dtype != "text"}
    each: dict[str, list[Column | None]] = {name: [] for name in shapes}
    moments = {name: Moments.none(int(np.prod(shape, dtype=np.int64))) for name, shape in shapes.items()}
    for place, number in enumerate(episodes.number.tolist()):
        for name, flat in stated_rows(rows, episodes, place, list(shapes)).items():
            if not len(flat):
                each[name].append(None)
                continue
            try:
                each[name].append(column_stats(flat.reshape(len(flat), *shapes[name])))
                moments[name] = moments[name].merged(Moments.of(flat))
            except SchemaError as error:
                raise error.within(f"episode {number}: {name}") from None
    by_episode = {name: _stacked(told) for name, told in each.items() if moments[name].rows}
    total = {name: _column(shapes[name], moments[name], row_quantiles(rows, episodes, name)) for name in by_episode}
    return SetStats(by_episode, total)


def _stacked(told: Sequence[Column | None]) -> dict[str, Any]:
    """Return statistics of all episodes by kind: an array, or a list where one has none."""
    kinds = next(one for one in told if one is not None)
    lists = {kind: [None if one is None else one[kind] for one in told] for kind in kinds}
    return lists if None in told else {kind: np.stack(one) for kind, one in lists.items()}  # type: ignore[arg-type]  # None is in none


def told_stats(root: Path, episodes: Episodes) -> SetStats:
    """Return what a set says itself of its cameras, whose frames are not decoded for it."""
    cameras = [camera.name for camera in episodes.header.cameras]
    path = root / "meta/stats.json"
    told: Any = read_json(path) if path.is_file() else {}
    total = {name: told[name] for name in cameras if isinstance(told, dict) and isinstance(told.get(name), dict)}
    known = _by_number(root, cameras)
    by_episode: dict[str, dict[str, Any]] = {}
    for name in cameras:
        each = [known.get(number, {}).get(name, {}) for number in episodes.number.tolist()]
        kinds = list(dict.fromkeys(kind for one in each for kind in one))
        if kinds:
            by_episode[name] = {kind: [one.get(kind) for one in each] for kind in kinds}
            if name not in total and all(one.keys() >= {*_PLAIN, "count"} for one in each):
                total[name] = _together(each)
    return SetStats(by_episode, total)


def _by_number(root: Path, cameras: list[str]) -> dict[int, dict[str, dict[str, Any]]]:
    """Return statistics of cameras by the number of the episode, from lines or from columns."""
    meta = root / "meta"
    lines = find_table(meta, "episodes_stats")
    if lines is not None:
        return {row["episode_index"]: _filled(row.get("stats") or {}) for row in lines.table.to_pylist()}
    table = find_table(meta, "episodes")
    if table is None:
        return {}
    begin = {f"stats/{camera}/": camera for camera in cameras}
    names = {name: start for name in table.table.schema.names for start in begin if name.startswith(start)}
    found: dict[int, dict[str, dict[str, Any]]] = {}
    for row in table.table.select(["episode_index", *names]).to_pylist():
        one = found.setdefault(row["episode_index"], {})
        for name, start in names.items():
            if row[name] is not None:
                one.setdefault(begin[start], {})[name.removeprefix(start)] = row[name]
    return found


def _filled(stats: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the kinds that are told: a table of lines has all kinds of any line."""
    return {
        name: {kind: value for kind, value in one.items() if value is not None}
        for name, one in stats.items()
        if one is not None
    }


def _together(each: list[dict[str, Any]]) -> dict[str, Any]:
    """Return statistics of all episodes from those of each: exact but for quantiles, which are not told so."""
    count = np.array([one["count"][0] for one in each], np.float64)
    stacked = {kind: np.array([one[kind] for one in each], np.float64) for kind in _PLAIN}
    weight = count.reshape(-1, *[1] * (stacked["mean"].ndim - 1)) / count.sum()
    mean = (weight * stacked["mean"]).sum(0)
    variance = (weight * (stacked["std"] ** 2 + (stacked["mean"] - mean) ** 2)).sum(0)
    low, high = stacked["min"].min(0), stacked["max"].max(0)
    found = {"min": low, "max": high, "mean": mean, "std": np.sqrt(variance), "count": count.sum(keepdims=True)}
    return {kind: value.astype(np.int64) if kind == "count" else value for kind, value in found.items()}

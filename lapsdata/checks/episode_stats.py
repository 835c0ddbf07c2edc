"""Whether the statistics that come with a data set are those of its rows: samples are normalised with them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.checks._stats_faults import StatsFaults
from lapsdata.checks._stats_numbers import Numbers
from lapsdata.checks._stats_turns import Turns
from lapsdata.checks._stats_verdicts import Tally
from lapsdata.errors import LapsError, Problem, listed, spans_told
from lapsdata.schema.feature_stats import MOMENTS, QUANTILES
from lapsdata.transforms.episode_stats import Moments

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.adapters import Stated, StatedStats
    from lapsdata.containers import Episodes

__all__ = ["StatsCheck"]

_TAKE = 'take those of the rows: open_steps(..., stats="rows")'


class StatsCheck:
    """Compares statistics with rows that go by: each row is looked at once, and none is kept.

    Those of all rows and those of each episode are compared with the exact ones: min, max, mean and std to 1e-5 of the
    range of a number, quantiles by the share of the rows that lie below them. What other programs are known to make of
    rows is told, and no fault: sums of float32, deviations of a sample, quantiles that are means of those of episodes.

    Parameters
    ----------
    path : Path
        Of the data set, for what is told.
    episodes : Episodes
    stated : StatedStats
    whole : bool
        Whether these are all episodes of the data set: with fewer, nothing is compared with what is said of all rows.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.adapters import find_adapter
    >>> from lapsdata.storage.episode_rows import EpisodeRows
    >>> from lapsdata.testing.episode_sets import write_lerobot
    >>> root = write_lerobot(pathlib.Path(tempfile.mkdtemp()) / "set", lengths=(4, 6))
    >>> adapter, _ = find_adapter(root)
    >>> episodes = adapter.read(root).container
    >>> check, rows = StatsCheck(root, episodes, adapter.stated(root)), EpisodeRows(root, episodes)
    >>> for place in range(2):
    ...     check.add(place, rows.read(place, ["action", "observation.state", "next.reward"]))
    >>> [problem.code for problem in check.problems()], check.note
    ([], 'statistics of 3 features compared')
    """

    def __init__(self, path: Path, episodes: Episodes, stated: StatedStats, *, whole: bool = True) -> None:
        features = episodes.header.features
        # Numbers of tasks are no quantities; rows without a value have zeros, which are none of theirs.
        left_out = {*stated.left_out, *episodes.header.annotations.values()}
        left_out |= {one.name for one in features if one.dtype == "text" or one.nullable}
        chosen = [one for one in features if one.name not in left_out]
        self._episodes, self._stated, self._whole = episodes, stated, whole
        self._where = f"{path / (stated.of_all_in or stated.by_episode_in or '')}"
        self._by_episode_in = f"{path / (stated.by_episode_in or '')}"
        self._known = {one.name for one in features}
        self._floats = [one.name for one in chosen if one.dtype.startswith("float")]
        self._numbers = Numbers(chosen)
        self._faults = StatsFaults(self._numbers)
        self._all = Tally(self._numbers.told(stated.of_all))
        self._sums = {kind: np.zeros(self._numbers.count) for kind in QUANTILES}
        self._turns = Turns(stated.by_episode(), frozenset(episodes.number.tolist()))
        self._said: Counter[str] = Counter()
        self._kinds: Counter[tuple[str, str]] = Counter()
        self._read, self._broken = 0, False
        self._others: list[Problem] = []

    @property
    def note(self) -> str:
        """How much was compared, in words."""
        count, cameras = len(self._compared), len(self._episodes.header.cameras)
        if not count:
            return "no statistics to compare"
        of_cameras = f", of {cameras} camera{'s' * (cameras != 1)} not" * bool(cameras)
        return f"statistics of {count} feature{'s' * (count != 1)} compared{of_cameras}"

    @property
    def _compared(self) -> list[str]:
        return [name for name in self._numbers.features if name in self._stated.of_all or self._said[name]]

    def add(self, place: int, columns: Mapping[str, NDArray[Any]]) -> None:
        """Compare the rows of an episode, by its place, with what is stated of it, and count them among all rows.

        Parameters
        ----------
        place : int
        columns : mapping of np.ndarray (R, ...)
            Each feature of numbers.
        """
        number = int(self._episodes.number[place])
        stated = self._of_episode(number)
        one = Tally(self._numbers.told(stated or {}))
        try:
            for block in self._numbers.blocks(columns):
                moments = Moments.of(block)
                self._all.add(block, moments)
                one.add(block, moments)
        except LapsError as error:
            self._others += error.within(f"episode {number}: statistics").problems
            return
        self._read += 1
        self._said.update(list(stated or ()))
        self._kinds.update((name, kind) for name, said in (stated or {}).items() for kind in said)
        with np.errstate(over="ignore", invalid="ignore"):
            for kind, total in self._sums.items():
                total += one.moments.rows * one.told.values[kind]
        if stated is not None:
            self._faults.judge(one, self._by_episode_in, number)

    def _of_episode(self, number: int) -> Stated | None:
        """Return what is stated of an episode; what is wrong with the file ends that, and is told once."""
        try:
            return self._turns.of(number)
        except LapsError as error:
            self._others += error.problems
            self._broken = True
            return None

    def problems(self) -> list[Problem]:
        """Return what was found of the rows that went by."""
        left: list[Problem] = []
        if self._whole and self._read == len(self._episodes):
            rows = int(self._episodes.rows.sum())
            self._faults.judge(self._all, self._where, None, {kind: sums / rows for kind, sums in self._sums.items()})
            left = self._of_constants()
        elif self._stated.of_all_in is not None:
            message = "they are of all episodes, of which some are not there or cannot be read: not compared"
            fix = "bring the others, or take those of the rows that are there"
            left = [_info("statistics-not-compared", self._where, message, fix)]
        return [*self._others, *self._faults, *self._of_turns(), *self._of_names(), *left]

    def _of_names(self) -> list[Problem]:
        """Tell of statistics without a feature, and of features without statistics."""
        found = []
        strange = [name for name in dict.fromkeys([*self._stated.of_all, *self._said]) if name not in self._known]
        if strange:
            message = f"expected statistics of columns of the rows, got those of {listed(strange, 12)}"
            fix = "take them out, or bring the columns"
            found.append(_info("statistics-of-no-column", self._where, message, fix))
        # What is said of each episode is said of all rows too where such statistics are there at all.
        told = set(self._stated.of_all) or set(self._compared)
        without = [name for name in self._floats if name not in told]
        if without:
            message = f"expected statistics of each feature, got none of {listed(without, 12)}"
            found.append(_info("no-statistics", self._where, message, _TAKE))
        some = [name for name in self._numbers.features if 0 < self._said[name] < self._read]
        if some and not self._broken:
            message = f"expected statistics of each episode, got those of some for {listed(some, 12)}"
            found.append(_info("no-statistics", self._by_episode_in, message, _TAKE))
        return [*found, *self._of_kinds()]

    def _of_kinds(self) -> list[Problem]:
        """Tell which features lack one of the statistics that are normalised with, of all rows or of an episode."""
        of_all = Counter((name, kind) for name, said in self._stated.of_all.items() for kind in said)
        named = [name for name in self._floats if name in self._stated.of_all] if self._whole else []
        each = [name for name in self._floats if 0 < self._said[name] == self._read and not self._broken]
        found = []
        for where, names, said, times in (
            (self._where, named, of_all, 1),
            (self._by_episode_in, each, self._kinds, self._read),
        ):
            lacking = {kind: [name for name in names if said[name, kind] < times] for kind in MOMENTS}
            if told := [f"{kind} of {listed(some, 6)}" for kind, some in lacking.items() if some]:
                message = f"expected {', '.join(MOMENTS)} of each feature, got no {'; no '.join(told)}"
                found.append(Problem("lacking-statistics", where, message, _TAKE, "warning"))
        return found

    def _of_turns(self) -> list[Problem]:
        """Tell of which episodes something is stated more than once."""
        try:
            twice = self._turns.twice()
        except LapsError as error:
            return list(error.problems)
        if not twice:
            return []
        message = (
            f"expected statistics of each episode once, got them again of {spans_told(twice)}: the first count here"
        )
        fix = "delete those that are not of its rows: some readers take the last"
        return [Problem("statistics-twice", self._by_episode_in, message, fix, "warning")]

    def _of_constants(self) -> list[Problem]:
        """Tell which numbers never change, so that no scale can be made of them."""
        moments = self._all.moments
        constant = self._numbers.of({*self._compared} & {*self._floats}) & (moments.low == moments.high)
        if not constant.any():
            return []
        message = f"the same in all {moments.rows} rows: a scale of std, or of min and max, divides by 0"
        fix = "nothing to do for normalize=, which only centres them; elsewhere leave them out of what is scaled"
        return [_info("constant-numbers", f"{self._where}: {self._numbers.names(constant)}", message, fix)]


def _info(code: str, where: str, message: str, fix: str) -> Problem:
    return Problem(code, where, message, fix, "info")

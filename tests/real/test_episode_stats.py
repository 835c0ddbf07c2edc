"""What `lapsdata check` says of the statistics of real episodes, each number held against NumPy and PyArrow alone."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from lapsdata.checks.integrity import check_integrity

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.errors import Problem

V3, GR00T, G1 = "lerobot_pick_v30", "gr00t_pick_n_place_v20", "lerobot_g1_v21"
FEATURES = ("observation.state", "action")
OF_STATISTICS = re.compile("statistics|deviation|quantiles|constant")


def told(root: Path) -> list[Problem]:
    (item,) = check_integrity([root]).items
    return [problem for problem in item.problems if OF_STATISTICS.search(problem.code)]


def rows_of(root: Path, name: str) -> list[NDArray[Any]]:
    """Return a column of each file, (R, C)."""
    files = sorted((root / "data").rglob("*.parquet"))
    return [np.array(pq.read_table(file).column(name).to_pylist()) for file in files]


def episodes_of(root: Path, name: str) -> list[NDArray[Any]]:
    """Return a column of each episode of a set of version 3."""
    rows, number = (np.concatenate(rows_of(root, one)) for one in (name, "episode_index"))
    return [rows[number == one].astype(np.float32) for one in np.unique(number)]


def constant(root: Path) -> str:
    """Return which numbers of states and actions never change, as a person writes it."""
    parts = []
    for name in FEATURES:
        at = np.flatnonzero(np.ptp(np.concatenate(rows_of(root, name)), axis=0) == 0)
        spans = np.split(at, np.flatnonzero(np.diff(at) > 1) + 1)
        parts.append(f"{name}[{', '.join(f'{span[0]}-{span[-1]}' for span in spans)}]")
    return ", ".join(parts)


def test_a_set_of_lerobot_3_0(real_data: Path) -> None:
    root = real_data / V3
    of_episodes, of_all, quantiles, unchanging = told(root)
    stated = json.loads((root / "meta/stats.json").read_text())
    lines = pq.read_table(root / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    worst = {}
    for name in FEATURES:
        for number, (values, line) in enumerate(zip(episodes_of(root, name), lines, strict=True)):
            # This is what LeRobot computes, to the last bit: the root of a difference of squares in float32.
            of_squares = np.sqrt(np.maximum((values**2).mean(0) - values.mean(0) ** 2, 0))
            assert of_squares.astype(np.float64).tolist() == line[f"stats/{name}/std"]
            true = values.astype(np.float64).std(0)
            off = np.abs(of_squares - true) / np.where(true > 0, true, np.inf)
            at = int(off.argmax())
            worst[off[at]] = (
                f"episode {number}: std of {name}[{at}]: states {of_squares[at]:.3g}, rows have {true[at]:.3g}"
            )
        weights = np.array([line["length"] for line in lines]) / sum(line["length"] for line in lines)
        for kind in ("q01", "q50", "q99"):
            means = weights @ np.array([line[f"stats/{name}/{kind}"] for line in lines])
            np.testing.assert_allclose(stated[name][kind], means, rtol=1e-12, atol=1e-12)
    assert (of_episodes.code, of_episodes.severity) == ("statistics-in-float32", "info")
    assert f"worst: {worst[max(worst)]}, {100 * max(worst):.2g} % of its deviation away" in of_episodes.message
    assert (quantiles.code, quantiles.severity) == ("quantiles-of-episodes", "info")
    found = re.search(r"worst: (q\d\d) of ([\w.]+)\[(\d+)\]: states (\S+), and (\S+) % of the rows", quantiles.message)
    assert found is not None
    kind, name, at, value, percent = found.groups()
    assert float(value) == pytest.approx(stated[name][kind][int(at)], rel=1e-5)
    rows = np.concatenate(rows_of(root, name))[:, int(at)]
    shares = [100 * (rows <= stated[name][kind][int(at)] + step * np.ptp(rows) / 5000).mean() for step in (-1, 1)]
    assert shares[0] - 0.1 <= float(percent) <= shares[1] + 0.1
    assert abs(float(percent) - int(kind[1:])) > 50
    assert of_all.code == "statistics-in-float32"
    assert unchanging.where == f"{root}/meta/stats.json: {constant(root)}, next.reward"


def test_a_set_of_gr00t(real_data: Path) -> None:
    root = real_data / GR00T
    sums, unchanging = told(root)
    stated = json.loads((root / "meta/stats.json").read_text())
    off = {}
    for name in FEATURES:
        rows = np.concatenate(rows_of(root, name))
        # Means in float32 of all rows, to the last bit.
        assert rows.astype(np.float32).mean(0).astype(np.float64).tolist() == stated[name]["mean"]
        away = np.abs(np.array(stated[name]["mean"]) - rows.mean(0)) / np.where(
            np.ptp(rows, 0) > 0, rows.std(0), np.inf
        )
        off[away.max()] = f"mean of {name}[{away.argmax()}]"
    assert (sums.code, sums.severity) == ("statistics-in-float32", "info")
    assert f"worst: {off[max(off)]}: states -2.07352, rows have -2.07351, {100 * max(off):.2g} % of" in sums.message
    assert (unchanging.code, unchanging.where) == ("constant-numbers", f"{root}/meta/stats.json: {constant(root)}")


def test_a_set_of_lerobot_2_1_of_which_some_episodes_are_there(real_data: Path) -> None:
    root = real_data / G1
    assert told(root) == []
    lines = [json.loads(line) for line in (root / "meta/episodes_stats.jsonl").read_text().splitlines()]
    for number in (1, 29, 31):
        path = root / f"data/chunk-000/episode_{number:06d}.parquet"
        for name in FEATURES:
            rows = np.array(pq.read_table(path).column(name).to_pylist())
            stats = next(line["stats"] for line in lines if line["episode_index"] == number)[name]
            spread = np.where(np.ptp(rows, 0) > 0, rows.std(0), 1)
            assert (np.abs(stats["mean"] - rows.mean(0)) < 1e-3 * spread).all()
            assert (np.abs(stats["std"] - rows.std(0)) < 1e-3 * spread).all()
            assert (stats["min"], stats["max"]) == (rows.min(0).tolist(), rows.max(0).tolist())
            assert stats["count"] == [len(rows)]


@pytest.mark.parametrize("name", ["gr1.PickNPlace", "cube_to_bowl_5"])
def test_statistics_beside_rows_that_are_not_there(real_data: Path, name: str) -> None:
    (item,) = check_integrity([real_data / "gr00t_n16_meta/demo_data" / name]).items
    assert item.status == "error"
    assert not [one for one in item.problems if one.severity == "error" and OF_STATISTICS.search(one.code)]

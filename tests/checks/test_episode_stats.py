"""Statistics that are not those of the rows, each way they come to be so; the rows' own are those of plain NumPy."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lapsdata.adapters import EpisodesEdit
from lapsdata.adapters.lerobot.adding import add_column
from lapsdata.adapters.lerobot.converting import TARGETS, convert_set
from lapsdata.adapters.lerobot.editing import edit_sets
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.adapters.lerobot.recorder import EpisodeWriter
from lapsdata.checks.episodes import check_episodes, episodes_adapter
from lapsdata.storage.episode_rows import EpisodeRows
from lapsdata.testing.episode_sets import CAMERA, episode_rows, write_lerobot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.checks.outcome import CheckedItem
    from lapsdata.errors import Problem

LENGTHS = (40, 60, 55)
MARKS = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}
Statistics = dict[str, Any]


def checked(root: Path) -> CheckedItem:
    adapter = episodes_adapter(root)
    assert adapter is not None
    return check_episodes(root, adapter, lambda *_: None)


def only(root: Path) -> Problem:
    (problem,) = checked(root).problems
    return problem


def codes(root: Path) -> list[str]:
    return [problem.code for problem in checked(root).problems]


def actions() -> list[NDArray[np.float32]]:
    """Return the actions of the episodes."""
    return [row.columns["action"] for row in episode_rows(LENGTHS)]


def plain(values: NDArray[Any], ddof: int = 0) -> Statistics:
    """Return statistics of rows (R, C) as any program would."""
    wide = values.astype(np.float64)
    found = {"min": wide.min(0), "max": wide.max(0), "mean": wide.mean(0), "std": wide.std(0, ddof=ddof)}
    found |= {kind: np.quantile(wide, share, axis=0) for kind, share in MARKS.items()}
    return {kind: one.tolist() for kind, one in found.items()} | {"count": [len(values)]}


def float32(values: NDArray[np.float32]) -> Statistics:
    """Return statistics as LeRobot makes them: deviations from means of squares, all of it in float32."""
    mean, squares = values.mean(0, dtype=np.float32), (values**2).mean(0, dtype=np.float32)
    std = np.sqrt(np.maximum(squares - mean**2, 0))
    return plain(values) | {"mean": mean.tolist(), "std": std.tolist()}


def retell(root: Path, change: Callable[[Statistics], object]) -> None:
    """Change what is stated of all rows."""
    told = json.loads((root / "meta/stats.json").read_text())
    change(told)
    (root / "meta/stats.json").write_text(json.dumps(told))


def retell_lines(root: Path, change: Callable[[int, Statistics], object]) -> None:
    """Change what is stated of each episode, line by line."""
    path = root / "meta/episodes_stats.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        change(line["episode_index"], line["stats"])
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def with_rows(root: Path, values: Sequence[NDArray[np.float32]], tell: Callable[[NDArray[Any]], Statistics]) -> None:
    """Give the episodes of a set of version 2.1 other actions, and state what `tell` makes of them."""
    for number, one in enumerate(values):
        path = root / f"data/chunk-000/episode_{number:06d}.parquet"
        table = pq.read_table(path)
        cells = pa.FixedSizeListArray.from_arrays(pa.array(one.reshape(-1)), one.shape[1])
        pq.write_table(table.set_column(table.schema.get_field_index("action"), "action", cells), path)
    retell_lines(root, lambda number, stats: stats.update(action=tell(values[number])))


def with_columns(root: Path, change: Callable[[int, Statistics], object] = lambda number, stats: None) -> None:
    """State what actions are in each episode of a set of version 3, and of all rows means of these, as LeRobot does."""
    told = [plain(one) for one in actions()]
    for number, one in enumerate(told):
        change(number, one)
    path = root / "meta/episodes/chunk-000/file-000.parquet"
    table = pq.read_table(path)
    for kind in told[0]:
        table = table.append_column(f"stats/action/{kind}", pa.array([one[kind] for one in told]))
    pq.write_table(table, path)
    weights = np.array(LENGTHS) / sum(LENGTHS)
    means = {kind: (weights @ np.array([one[kind] for one in told])).tolist() for kind in MARKS}
    retell(root, lambda stats: stats["action"].update(means))


@pytest.mark.parametrize("version", ["v2.0", "v3.0"])
@pytest.mark.parametrize("kind", ["min", "max", "mean", "std"])
def test_a_statistic_of_all_rows_that_is_not_theirs(tmp_path: Path, kind: str, version: str) -> None:
    root = write_lerobot(tmp_path / "set", version=version, lengths=LENGTHS)
    rows = np.concatenate(actions())
    true = plain(rows)[kind][2]
    retell(root, lambda told: told["action"][kind].__setitem__(2, true + 3.0))
    found = only(root)
    assert (found.code, found.severity) == ("statistics-not-of-rows", "error")
    assert found.where == f"{root}/meta/stats.json: action"
    unit = np.ptp(rows[:, 2]) if kind in ("min", "max") else rows[:, 2].astype(float).std()
    assert found.message == (
        f"expected {kind} of the rows, got others; worst: {kind} of action[2]: states {true + 3:.3g}, "
        f"rows have {true:.3g}, {300 / unit:.2g} % of its {'range' if kind in ('min', 'max') else 'deviation'} away"
    )
    assert 'stats="rows"' in str(found.fix)
    assert checked(root).note == "3 episodes, 155 of 155 rows read, statistics of 3 features compared"


@pytest.mark.parametrize(("kind", "share", "lie"), [("q01", 0.1, "below it"), ("q99", 0.5, "at it or below")])
def test_a_quantile_of_all_rows_that_is_not_theirs(tmp_path: Path, kind: str, share: float, lie: str) -> None:
    root = write_lerobot(tmp_path / "set", version="v2.0", lengths=LENGTHS)
    rows = np.concatenate(actions())[:, 1].astype(np.float64)
    stated = float(np.quantile(rows, share))
    retell(root, lambda told: told["action"][kind].__setitem__(1, stated))
    found = only(root)
    assert found.code == "statistics-not-of-rows"
    # One bin of a histogram of 5000 is no difference.
    bin_width = np.ptp(rows) / 5000
    part = (rows < stated - bin_width).mean() if lie == "below it" else (rows <= stated + bin_width).mean()
    assert f"{kind} of action[1]: states {stated:.6g}, and {100 * part:.3g} % of the rows lie {lie}" in found.message


@pytest.mark.parametrize("kind", ["min", "max", "mean", "std"])
def test_the_tolerance_is_a_share_of_the_range(tmp_path: Path, kind: str) -> None:
    root = write_lerobot(tmp_path / "set", version="v2.0", lengths=LENGTHS)
    span = float(np.ptp(np.concatenate(actions())[:, 1]))
    true = plain(np.concatenate(actions()))[kind][1]
    retell(root, lambda told: told["action"][kind].__setitem__(1, true + 0.9e-5 * span))
    assert codes(root) == []
    # Deviations are roots of differences of squares, of which float32 may have lost more.
    retell(root, lambda told: told["action"][kind].__setitem__(1, true + (1e-3 if kind == "std" else 1.2e-5) * span))
    assert codes(root) == ["statistics-not-of-rows"]


def test_features_kinds_and_episodes_that_are_wrong_alike_are_one(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", lengths=(*LENGTHS, 50))

    def wrong(number: int, stats: Statistics) -> None:
        if number != 1:
            stats["action"]["mean"][1] += number + 1
            stats["next.reward"]["max"] = [7.0]

    retell_lines(root, wrong)
    found = only(root)
    assert found.where == f"{root}/meta/episodes_stats.jsonl: action, next.reward"
    assert found.message.startswith("expected max, mean of the rows, got others; worst: episode 0: max of next.reward")
    assert found.message.endswith("states 7, rows have 1, 6 times its range away; in 3 episodes: 0, 2-3")


def test_the_worst_is_that_of_the_episode_that_is_furthest_away(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", lengths=LENGTHS)
    retell_lines(root, lambda number, stats: stats["action"]["min"].__setitem__(1, [-1.5, -40.0, -3.0][number]))
    assert "worst: episode 1: min of action[1]: states -40, rows have 0.5, 69 % of its range" in only(root).message


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_a_single_wrong_episode(tmp_path: Path, version: str) -> None:
    root = write_lerobot(tmp_path / "set", version=version, lengths=LENGTHS)

    def wrong(number: int, stats: Statistics) -> None:
        if number == 2:
            stats.get("action", stats)["std"] = [0.0, 1.0, 1.0]

    if version == "v2.1":
        retell_lines(root, wrong)
    else:
        with_columns(root, wrong)
    found = checked(root).problems[0]
    assert found.code == "statistics-not-of-rows"
    assert "worst: episode 2: std of action[1]: states 1, rows have 15.9, 94 % of its deviation away" in found.message
    assert found.message.endswith("; in 1 episode: 2")


def test_quantiles_that_are_means_of_those_of_episodes_are_told_and_no_fault(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", version="v3.0", lengths=LENGTHS)
    with_columns(root)
    found = only(root)
    assert (found.code, found.severity) == ("quantiles-of-episodes", "info")
    assert found.where == f"{root}/meta/stats.json: action"
    assert found.message.startswith("q01, q10, q50, q90, q99: means of the quantiles of the episodes, as LeRobot wri")
    assert 'stats="rows"' in str(found.fix)


def test_quantiles_that_are_those_of_neither_are_a_fault(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", version="v3.0", lengths=LENGTHS)
    with_columns(root)
    retell(root, lambda told: told["action"]["q10"].__setitem__(2, 30.0))
    assert sorted(codes(root)) == ["quantiles-of-episodes", "statistics-not-of-rows"]
    # Those of an episode of which nothing is said are in no mean.
    path = root / "meta/episodes/chunk-000/file-000.parquet"
    table = pq.read_table(path)
    at = table.schema.get_field_index("stats/action/q99")
    cells = pa.array([*table.column(at).to_pylist()[:2], None], table.schema.field(at).type)
    pq.write_table(table.set_column(at, "stats/action/q99", cells), path)
    wrong = next(one for one in checked(root).problems if one.code == "statistics-not-of-rows")
    assert wrong.message.startswith("expected q10, q99 of the rows")


def test_a_deviation_of_a_sample_is_told_and_no_fault(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", lengths=LENGTHS)
    with_rows(root, actions(), lambda values: plain(values, ddof=1))
    found = only(root)
    assert (found.code, found.severity) == ("deviation-of-sample", "info")
    assert "worst: episode 0: std of action[1]: states 11.7, rows have 11.5" in found.message


def noise(around: float, spread: float) -> list[NDArray[np.float32]]:
    rng = np.random.default_rng(3)
    return [(around + spread * rng.standard_normal((rows, 3))).astype(np.float32) for rows in LENGTHS]


@pytest.mark.parametrize(
    ("spread", "severity"), [(1.0, None), (2e-2, "info"), (5e-3, "warning")], ids=["not told", "told", "much"]
)
def test_sums_of_float32_lose_what_varies_little_about_much(
    tmp_path: Path, spread: float, severity: str | None
) -> None:
    root = write_lerobot(tmp_path / "set", lengths=LENGTHS)
    values = noise(8.0, spread)
    with_rows(root, values, float32)
    wrong = max(abs(np.array(float32(one)["std"]) / one.astype(float).std(0) - 1).max() for one in values)
    assert (wrong > 0.1, wrong > 1e-3) == (severity == "warning", severity is not None)
    told = checked(root).problems
    assert [(one.code, one.severity) for one in told] == [("statistics-in-float32", severity)] * (severity is not None)
    assert all(f"{100 * wrong:.2g} % of its deviation away" in one.message for one in told)


def test_no_sum_of_float32_explains_a_deviation_of_other_rows(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", lengths=LENGTHS)
    with_rows(root, noise(8.0, 0.1), float32)
    retell_lines(root, lambda _, stats: stats["action"].update(std=[0.15] * 3))
    assert "statistics-not-of-rows" in codes(root)


def test_numbers_that_never_change_are_told_once(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", lengths=LENGTHS)
    values = noise(0.0, 1.0)
    for one in values:
        one[:, 1:] = np.float32(0.1)
    with_rows(root, values, float32)
    found = only(root)
    assert (found.code, found.severity) == ("constant-numbers", "info")
    assert found.where == f"{root}/meta/episodes_stats.jsonl: action[1-2]"
    assert found.message.startswith("the same in all 155 rows: ")


@pytest.mark.parametrize(
    ("change", "code", "severity", "message"),
    [
        (lambda one: one.update(mean=[1.0, 2.0]), "wrong-statistics", "error", "; worst: mean of action: got 2"),
        (
            lambda one: one.update(q99=[[1.0], [2.0, 3.0]]),
            "wrong-statistics",
            "error",
            "expected q99 with one number",
        ),
        (lambda one: one.update(std="wide"), "wrong-statistics", "error", "; worst: std of action: got none"),
        (lambda one: one["max"].__setitem__(1, None), "wrong-statistics", "error", "expected max of finite numbers"),
        (lambda one: one["min"].__setitem__(0, np.nan), "wrong-statistics", "error", "got null, NaN or infinity"),
        (lambda one: one["std"].__setitem__(0, np.inf), "wrong-statistics", "error", "expected std of finite"),
        (lambda one: one.update(count=[154]), "statistics-of-other-rows", "warning", "154, and 155 rows are there"),
        (lambda one: one["max"].__setitem__(0, 1e300), "statistics-not-of-rows", "error", "states 1e+300, rows have"),
    ],
)
def test_what_no_statistics_can_be(
    tmp_path: Path, change: Callable[[Statistics], Any], code: str, severity: str, message: str
) -> None:
    root = write_lerobot(tmp_path / "set", version="v3.0", lengths=LENGTHS)
    retell(root, lambda told: change(told["action"]))
    found = only(root)
    assert (found.code, found.severity, found.where) == (code, severity, f"{root}/meta/stats.json: action")
    assert message in found.message


def test_numbers_of_rows_and_of_frames_are_not_compared(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", version="v3.0", lengths=LENGTHS, videos=True)
    wrong = {kind: [9.0] for kind in ("min", "max", "mean", "std", "count")}
    retell(root, lambda told: told.update(index=wrong, timestamp=wrong, **{CAMERA: wrong}))
    assert codes(root) == []
    assert checked(root).note.endswith("statistics of 3 features compared, of 1 camera not")


def test_columns_without_statistics_and_statistics_without_columns(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", version="v2.0", lengths=LENGTHS)
    retell(root, lambda told: told.update(effort=told.pop("action")))
    strange, without = checked(root).problems
    assert (strange.code, strange.severity) == ("statistics-of-no-column", "info")
    assert "got those of 'effort'" in strange.message
    assert (without.code, without.severity) == ("no-statistics", "info")
    assert "got none of 'action'" in without.message


@pytest.mark.parametrize("version", ["v2.0", "v3.0"])
def test_a_kind_that_a_feature_lacks_is_told(tmp_path: Path, version: str) -> None:
    root = write_lerobot(tmp_path / "set", version=version, lengths=LENGTHS)
    retell(root, lambda told: [told["action"].pop(kind) for kind in ("std", "q99") if kind in told["action"]])
    found = only(root)
    assert (found.code, found.severity, found.where) == ("lacking-statistics", "warning", f"{root}/meta/stats.json")
    assert found.message == "expected min, max, mean, std of each feature, got no std of 'action'"


def test_a_kind_that_one_episode_lacks_is_told(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", lengths=LENGTHS)
    path = root / "meta/episodes_stats.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    del lines[1]["stats"]["action"]["min"]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = only(root)
    assert (found.code, found.where) == ("lacking-statistics", str(path))
    assert found.message.endswith("got no min of 'action'")


def test_a_feature_of_which_nothing_is_said_of_all_rows_is_told(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", version="v3.0", lengths=LENGTHS)
    retell(root, lambda told: told.pop("action"))
    found = only(root)
    assert (found.code, found.where) == ("no-statistics", f"{root}/meta/stats.json")
    assert "got none of 'action'" in found.message


def test_no_statistics_at_all(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", version="v2.0", lengths=LENGTHS)
    (root / "meta/stats.json").unlink()
    assert only(root).code == "no-statistics"
    assert checked(root).note == "3 episodes, 155 of 155 rows read, no statistics to compare"


def test_statistics_of_some_episodes_and_of_some_twice(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", lengths=LENGTHS)
    path = root / "meta/episodes_stats.jsonl"
    first, second, third = path.read_text().splitlines()
    path.write_text("\n".join([third, first, "", third]))
    twice, some = checked(root).problems
    assert (some.code, twice.code, twice.severity) == ("no-statistics", "statistics-twice", "warning")
    assert "got those of some for 'observation.state', 'action', 'next.reward'" in some.message
    assert "got them again of 2: the first count here" in twice.message
    path.write_text("\n".join([third, second, first]))
    assert codes(root) == []


@pytest.mark.parametrize("version", ["v2.0", "v3.0"])
def test_statistics_of_all_episodes_are_not_compared_with_some(tmp_path: Path, version: str) -> None:
    root = write_lerobot(tmp_path / "set", version=version, lengths=LENGTHS)
    file = root / ("data/chunk-000/file-001.parquet" if version == "v3.0" else "data/chunk-000/episode_000001.parquet")
    whole = file.read_bytes()
    file.write_bytes(whole[:-9])
    assert codes(root) == ["truncated-data", "statistics-not-compared"]
    file.unlink()
    missing, left = checked(root).problems
    assert (missing.code, left.code, left.severity) == ("missing-episodes", "statistics-not-compared", "info")
    assert left.where == f"{root}/meta/stats.json"


@pytest.mark.parametrize(
    ("damage", "code"),
    [("{", "not-json"), ("[]", "wrong-type"), ("version https://git-lfs.github.com/spec/v1\n", "git-lfs-pointer")],
)
def test_a_file_of_statistics_that_cannot_be_read(tmp_path: Path, damage: str, code: str) -> None:
    root = write_lerobot(tmp_path / "set", version="v2.0", lengths=LENGTHS)
    (root / "meta/stats.json").write_text(damage)
    item = checked(root)
    assert [(one.code, one.severity) for one in item.problems] == [(code, "error")]
    assert item.note == "3 episodes, 155 of 155 rows read"


@pytest.mark.parametrize(("line", "code"), [("{", "not-json"), ("[1]", "wrong-type"), ('{"stats": 1}', "wrong-value")])
def test_lines_behind_one_that_cannot_be_read_are_not_compared(tmp_path: Path, line: str, code: str) -> None:
    root = write_lerobot(tmp_path / "set", lengths=LENGTHS)
    path = root / "meta/episodes_stats.jsonl"
    first, _, third = path.read_text().splitlines()
    path.write_text("\n".join([first, line, third]))
    item = checked(root)
    assert [(one.code, one.severity) for one in item.problems] == [(code, "error")]
    assert "155 of 155 rows read" in item.note


def test_rows_whose_squares_no_float_holds_are_told(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", version="v2.0", lengths=(3,))
    path = root / "data/chunk-000/episode_000000.parquet"
    table = pq.read_table(path)
    at = table.schema.get_field_index("next.reward")
    pq.write_table(table.set_column(at, "next.reward", pa.array([0.0, 1e200, 1.0])), path)
    told = json.loads((root / "meta/info.json").read_text())
    told["features"]["next.reward"]["dtype"] = "float64"
    (root / "meta/info.json").write_text(json.dumps(told))
    large, left = checked(root).problems
    assert (large.code, left.code) == ("too-large", "statistics-not-compared")
    assert large.where.startswith("episode 0: statistics")


def of_finite(values: NDArray[Any]) -> Statistics:
    columns = [one[np.isfinite(one)].reshape(-1, 1) for one in values.T]
    each = [plain(one) if len(one) else {kind: [None] for kind in plain(values)} for one in columns]
    return {kind: [one[kind][0] for one in each] for kind in each[0] if kind != "count"} | {"count": [len(values)]}


def test_rows_without_a_finite_number_are_left_out_of_what_they_are_compared_with(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", lengths=LENGTHS)
    values = noise(0.0, 1.0)
    values[1][::2, 1] = np.nan
    values[2][:, 2] = np.nan

    with_rows(root, values, of_finite)
    assert codes(root) == ["not-finite"]
    retell_lines(root, lambda number, stats: stats["action"]["mean"].__setitem__(1, 0.3 if number == 1 else None))
    assert {"statistics-not-of-rows", "wrong-statistics"} <= set(codes(root))


@pytest.mark.parametrize("to", TARGETS)
def test_what_is_written_here_is_of_its_rows(tmp_path: Path, to: Any) -> None:
    with EpisodeWriter(tmp_path / "recorded", fps=10, to=to) as writer:
        for one in noise(5.0, 0.01):
            with writer.episode(task="pick") as episode:
                for row in one:
                    episode.add({"observation.state": row, "action": row * 2})
    assert codes(tmp_path / "recorded") == []
    source = write_lerobot(tmp_path / "set", version="v2.0" if to == "lerobot-2.1" else "v2.1", lengths=LENGTHS)
    convert_set(source, tmp_path / "converted", to)
    assert codes(tmp_path / "converted") == []
    edit_sets([source], tmp_path / "fewer", to, EpisodesEdit(without_episodes="1"))
    assert codes(tmp_path / "fewer") == []
    edit_sets([source, source], tmp_path / "both", to, EpisodesEdit())
    assert codes(tmp_path / "both") == []


def test_a_column_of_labels_that_rows_may_lack_is_not_compared(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", lengths=(4,))
    entry = {"dtype": "int64", "shape": [1], "names": None, "info": {"nullable": True}}
    add_column(read_set(root), tmp_path / "copy", "label", entry, {0: (np.ones((4, 1), int), np.arange(4) == 3)})
    retell_lines(tmp_path / "copy", lambda _, stats: stats.update(label=plain(np.ones((3, 1)))))
    assert codes(tmp_path / "copy") == ["constant-numbers"]
    assert checked(tmp_path / "copy").note.endswith("statistics of 3 features compared")


def test_rows_are_read_once_for_rows_and_statistics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_lerobot(tmp_path / "set", version="v3.0", lengths=LENGTHS)
    with_columns(root)
    asked: list[int] = []
    read = EpisodeRows.read

    def counted(rows: EpisodeRows, place: int, *args: Any) -> Any:
        asked.append(place)
        return read(rows, place, *args)

    monkeypatch.setattr(EpisodeRows, "read", counted)
    checked(root)
    assert asked == [0, 1, 2]

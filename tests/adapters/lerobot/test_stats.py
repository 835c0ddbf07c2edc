"""Statistics that a data set says, in each version's words; what it does not say is computed, and noted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.adapters.lerobot.stats import SetStats, read_stats
from lapsdata.errors import SchemaError, UnknownFormatError
from lapsdata.storage.episode_rows import EpisodeRows
from lapsdata.testing.episode_sets import CAMERA, episode_rows, write_lerobot
from lapsdata.transforms.episode_stats import episode_stats

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LENGTHS = (4, 6, 5)
KINDS = ("min", "max", "mean", "std", "q01", "q99")
IMAGE = {kind: [[[0.1]], [[0.5]], [[0.9]]] for kind in ("min", "max", "mean", "std")} | {"count": [7]}


def stats_of(root: Path, *names: str, **options: Any) -> SetStats:
    return read_stats(read_set(root), names or None, **options)


def codes(found: SetStats) -> list[str]:
    return [note.code for note in found.notes]


def changed(path: Path, change: Callable[[Any], None]) -> None:
    """Change what a file of JSON says."""
    told = json.loads(path.read_text())
    change(told)
    path.write_text(json.dumps(told))


def expect_of_rows(root: Path, found: SetStats, kinds: tuple[str, ...] = KINDS) -> None:
    episodes = read_set(root).episodes
    for name, computed in episode_stats(EpisodeRows(root, episodes), episodes).items():
        for kind in kinds:
            got, wanted = found.by_feature[name].array(kind), computed.array(kind)
            assert got is not None
            assert wanted is not None
            np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-12, err_msg=f"{name} {kind}")


@pytest.mark.parametrize(
    ("version", "origin", "noted"),
    [("v2.0", "stated", []), ("v2.1", "merged", ["no-quantiles"]), ("v3.0", "stated", [])],
)
def test_each_version_says_what_the_rows_are(tmp_path: Path, version: str, origin: str, noted: list[str]) -> None:
    root = write_lerobot(tmp_path / "set", version=version, lengths=LENGTHS)
    found = stats_of(root)
    expect_of_rows(root, found)
    assert {one.origin for one in found.by_feature.values()} == {origin}
    assert codes(found) == noted
    assert {one.count for one in found.by_feature.values()} == ({None} if version == "v2.0" else {sum(LENGTHS)})


def test_quantiles_are_not_computed_where_none_are_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_lerobot(tmp_path / "set", lengths=LENGTHS)
    monkeypatch.delattr(EpisodeRows, "read")
    found = stats_of(root, "action", quantiles=())
    assert found.by_feature["action"].q01 is None
    assert found.notes == ()


@pytest.mark.parametrize("version", ["v2.0", "v3.0"])
def test_no_stats_json_is_computed_and_told_once(tmp_path: Path, version: str) -> None:
    root = write_lerobot(tmp_path / "set", version=version, lengths=LENGTHS)
    (root / "meta/stats.json").unlink()
    found = stats_of(root, "action", "timestamp")
    assert codes(found) == ["no-statistics"]
    assert "meta: action, timestamp: expected statistics, got none that hold" in str(found.notes[0])
    expect_of_rows(root, stats_of(root))
    assert found.by_feature["action"].origin == "computed"


def test_columns_of_episodes_stand_for_stats_json_of_version_3(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", version="v3.0", lengths=LENGTHS)
    (root / "meta/stats.json").unlink()
    path = root / "meta/episodes/chunk-000/file-000.parquet"
    table = pq.read_table(path)
    rows = [row.columns["action"].astype(np.float64) for row in episode_rows(LENGTHS)]
    for kind in ("min", "max", "mean", "std"):
        told = [getattr(row, kind)(axis=0).tolist() for row in rows]
        table = table.append_column(f"stats/action/{kind}", pa.array(told))
    table = table.append_column("stats/action/count", pa.array([[len(row)] for row in rows]))
    # Neither the order nor the number of files is that of the episodes.
    pq.write_table(table.take([2, 0]), path)
    pq.write_table(table.take([1]), path.with_name("file-001.parquet"))
    found = stats_of(root, "action")
    assert found.by_feature["action"].origin == "merged"
    whole = np.concatenate(rows)
    for kind in ("min", "max", "mean", "std"):
        np.testing.assert_allclose(getattr(found.by_feature["action"], kind), getattr(whole, kind)(axis=0), rtol=1e-12)
    assert codes(found) == ["no-quantiles"]


def test_only_episodes_whose_rows_are_there_are_merged(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", lengths=LENGTHS)
    (root / "data/chunk-000/episode_000001.parquet").unlink()
    found = stats_of(root)
    expect_of_rows(root, found)
    assert found.by_feature["action"].count == 9


@pytest.mark.parametrize("table", ["jsonl", "parquet"])
def test_an_episode_of_which_nothing_is_said_makes_all_rows_be_read(tmp_path: Path, table: str) -> None:
    root = write_lerobot(tmp_path / "set", lengths=LENGTHS)
    path = root / "meta/episodes_stats.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n\n".join(lines[:2]))
    if table == "parquet":
        pq.write_table(pa.Table.from_pylist([json.loads(line) for line in lines[:2]]), path.with_suffix(".parquet"))
        path.unlink()
    found = stats_of(root, "action")
    assert found.by_feature["action"].origin == "computed"
    assert codes(found) == [*(["blank-lines"] if table == "jsonl" else []), "no-statistics"]


@pytest.mark.parametrize(
    ("name", "change", "note"),
    [
        ("action", lambda one: one.update(mean=0.5), "wrong-statistics"),
        ("action", lambda one: one.update(q99=[1.0, 2.0]), "wrong-statistics"),
        ("action", lambda one: one.update(std=[[1.0], [2.0, 3.0]]), "wrong-statistics"),
        ("action", lambda one: one.update(max=[1.0, None, 2.0]), "wrong-statistics"),
        ("action", lambda one: one.pop("std"), "wrong-statistics"),
        ("action", lambda one: one.pop("q01"), "no-quantiles"),
        ("timestamp", lambda one: one.update(count=[14]), "statistics-of-other-rows"),
    ],
    ids=["scalar of a vector", "too few", "ragged", "null", "no std", "no q01", "other count"],
)
def test_what_stats_json_lacks_is_computed_and_told(
    tmp_path: Path, name: str, change: Callable[[Any], None], note: str
) -> None:
    root = write_lerobot(tmp_path / "set", version="v3.0", lengths=LENGTHS)
    changed(root / "meta/stats.json", lambda told: change(told[name]))
    found = stats_of(root)
    expect_of_rows(root, found)
    assert codes(found) == ([note, "no-statistics"] if note == "wrong-statistics" else [note])
    assert all(f"meta: {name}: " in str(one) for one in found.notes)
    kept = found.by_feature[name]
    expected = {"wrong-statistics": ("computed", "computed"), "no-quantiles": ("stated", "computed")}
    assert (kept.origin, kept.quantiles_origin) == expected.get(note, ("stated", "stated"))


def test_statistics_of_one_number_are_a_number_or_a_list(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", version="v2.0", lengths=LENGTHS)
    wanted = stats_of(root).by_feature

    def scalar(told: Any) -> None:
        for one in told.values():
            for kind, values in one.items():
                if len(values) == 1:
                    one[kind] = values[0]

    changed(root / "meta/stats.json", scalar)
    found = stats_of(root)
    assert found.by_feature == wanted
    assert found.notes == ()
    reward = found.by_feature["next.reward"].array("mean")
    assert reward is not None
    assert reward.shape == ()


# --- images -----------------------------------------------------------------------------------------------------


def test_statistics_of_images_are_as_they_are_said(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", version="v3.0", lengths=LENGTHS, videos=True)
    silent = stats_of(root, CAMERA)
    assert silent.by_feature == {}
    assert [(note.code, note.severity) for note in silent.notes] == [("no-image-statistics", "info")]
    changed(root / "meta/stats.json", lambda told: told.update({CAMERA: IMAGE}))
    found = stats_of(root, CAMERA)
    one = found.by_feature[CAMERA]
    assert (one.shape, one.mean, one.count, one.origin) == ((3, 1, 1), (0.1, 0.5, 0.9), 7, "stated")
    assert (one.q01, found.notes) == (None, ())


def test_statistics_of_images_of_episodes_are_weighed_by_their_counts(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", lengths=(4, 6), videos=True)
    path = root / "meta/episodes_stats.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row, mean, count in zip(rows, (0.2, 0.6), (1, 3), strict=True):
        row["stats"][CAMERA] = IMAGE | {"mean": [[[mean]]] * 3, "std": [[[0.0]]] * 3, "count": [count]}
    path.write_text("\n".join(json.dumps(row) for row in rows))
    one = stats_of(root, CAMERA).by_feature[CAMERA]
    assert (one.shape, one.count, one.origin) == ((3, 1, 1), 4, "merged")
    np.testing.assert_allclose(one.mean, [0.5] * 3)  # type: ignore[arg-type]
    np.testing.assert_allclose(one.std, [np.sqrt(0.03)] * 3)  # type: ignore[arg-type]


# --- refused ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "text", "kind", "message"),
    [
        ("stats.json", "[]", SchemaError, "stats.json: expected an object of statistics by feature"),
        ("stats.json", '{"action": [1]}', SchemaError, "stats.json: expected an object of statistics by feature"),
        ("stats.json", "version https://git-lfs.github.com/spec/v1\n", UnknownFormatError, "git-lfs-pointer"),
        ("episodes_stats.jsonl", '{"episode": 1}', SchemaError, "expected objects with episode_index and stats, got"),
    ],
)
def test_what_is_no_statistics_is_refused(
    tmp_path: Path, file: str, text: str, kind: type[Exception], message: str
) -> None:
    version = "v2.1" if file.startswith("episodes") else "v2.0"
    root = write_lerobot(tmp_path / "set", version=version, lengths=LENGTHS)
    (root / "meta" / file).write_text(text)
    with pytest.raises(kind, match=message):
        stats_of(root)


def test_names_that_are_not_there_are_refused(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", lengths=LENGTHS)
    with pytest.raises(SchemaError, match="expected features of numbers, or cameras, got elsewhere"):
        stats_of(root, "action", "elsewhere")

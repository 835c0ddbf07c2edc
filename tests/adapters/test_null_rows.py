"""Rows without a value, on their way into demonstrations and back: none becomes a number."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.adapters import EpisodesEdit, find_adapter, writers
from lapsdata.adapters.lerobot.editing import edit_sets
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.adapters.robomimic import read
from lapsdata.errors import SchemaError
from lapsdata.loading.steps import open_steps
from lapsdata.storage.episode_rows import EpisodeRows
from lapsdata.testing.demo_files import write_robomimic
from lapsdata.testing.episode_sets import write_lerobot
from lapsdata.transforms.episode_stats import episode_stats
from tests.adapters.by_hand_lerobot import info_of, lines

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.errors import Problem

LENGTHS = (4, 6, 3)
LABELS = [[[7, 8], [9, 10], None, None], [[1, 2], *[None] * 5], [None] * 3]
LATENT = [[1.5, None, 2.5, None], [None, 4.0, 5.0, 6.0, 7.0, None], [-1.0, -2.0, -3.0]]
NOTES = [["go", None, "", "stop"], [None] * 6, ["a", "b", None]]
COLUMNS = {
    "label": ("int64", [2], pa.list_(pa.int64(), 2), LABELS),
    "observation.latent": ("float32", [1], pa.float32(), LATENT),
    "note": ("string", [1], pa.string(), NOTES),
}


def with_nulls(root: Path, columns: dict[str, Any] = COLUMNS, *, declared: bool = True) -> Path:
    """Write a set of version 2.1 whose columns lack values in some rows."""
    write_lerobot(root, lengths=LENGTHS)
    told = info_of(root)
    for name, (dtype, shape, kind, values) in columns.items():
        more = {"info": {"nullable": True}} if declared else {}
        told["features"][name] = {"dtype": dtype, "shape": shape, "names": None, **more}
        for number, one in enumerate(values):
            path = root / f"data/chunk-000/episode_{number:06d}.parquet"
            pq.write_table(pq.read_table(path).append_column(name, pa.array(one, kind)), path)
    (root / "meta/info.json").write_text(json.dumps(told))
    return root


def values_of(root: Path, name: str) -> list[list[Any]]:
    return [pq.read_table(path).column(name).to_pylist() for path in sorted(root.glob("data/*/*.parquet"))]


def convert(source: Path, target: Path, *, to: str, **said: Any) -> dict[str, Problem]:
    """Convert as the command does, in this process, and return the notes by their code."""
    adapter, writer = find_adapter(source), writers()[to]
    assert adapter is not None
    told = said | ({} if to == "robomimic" else {"to": to})
    done = writer.write(target, adapter[0].read(source).container, root=source, **told)
    return {note.code: note for note in done.notes}


def test_masks_say_which_rows_have_no_value_and_the_way_back_restores_them(tmp_path: Path) -> None:
    root, demo = with_nulls(tmp_path / "set"), tmp_path / "demo.hdf5"
    note = convert(root, demo, to="robomimic")["nulls-as-zeros"]
    assert (note.severity, note.message) == (
        "warning",
        "rows have no value, 10 of label, 4 of obs/latent, 8 of note: they are zeros or empty, and "
        "<name>_is_null beside says which",
    )
    with h5py.File(demo) as file:
        for number, rows in enumerate(LENGTHS):
            group = file[f"data/demo_{number}"]
            assert group["label_is_null"].dtype == bool
            assert group["label_is_null"][:].tolist() == [one is None for one in LABELS[number]]
            assert group["label"][:].tolist() == [one or [0, 0] for one in LABELS[number]]
            assert group["obs/latent_is_null"][:].tolist() == [one is None for one in LATENT[number]]
            assert group["obs/latent"][:].tolist() == [one or 0.0 for one in LATENT[number]]
            assert group["note"].asstr()[:].tolist() == [one or "" for one in NOTES[number]]
            assert len(group["note_is_null"]) == rows
    back = convert(demo, tmp_path / "back", to="lerobot-2.1")
    assert back["nulls-restored"].message == (
        "rows of 'label', 'note', 'obs/latent' have no value where <name>_is_null says so: they are null again"
    )
    for name, (_, _, kind, values) in COLUMNS.items():
        assert values_of(tmp_path / "back", name) == values
        assert info_of(tmp_path / "back")["features"][name]["info"] == {"nullable": True}
        told = pq.read_schema(tmp_path / "back/data/chunk-000/episode_000000.parquet").field(name)
        assert told.type == kind


def test_steps_are_the_same_in_all_of_them(tmp_path: Path) -> None:
    root = with_nulls(tmp_path / "set")
    convert(root, tmp_path / "demo.hdf5", to="robomimic")
    convert(tmp_path / "demo.hdf5", tmp_path / "again.hdf5", to="robomimic")
    convert(tmp_path / "again.hdf5", tmp_path / "back", to="lerobot-3.0")
    expected = [one is None for each in LABELS for one in each]
    for path in (root, tmp_path / "demo.hdf5", tmp_path / "again.hdf5", tmp_path / "back"):
        steps = open_steps(path)
        assert [bool(steps[at]["label_is_null"]) for at in range(13)] == expected
        assert [steps[at]["label"].tolist() for at in range(13)] == [one or [0, 0] for each in LABELS for one in each]


@pytest.mark.parametrize("to", ["lerobot-2.1", "lerobot-3.0", "lerobot-2.0", "gr00t"])
def test_statistics_are_of_the_rows_that_have_a_value(to: str, tmp_path: Path) -> None:
    root = with_nulls(tmp_path / "set")
    convert(root, tmp_path / "demo.hdf5", to="robomimic")
    convert(tmp_path / "demo.hdf5", tmp_path / "new", to=to)
    there = np.array([one for each in LABELS for one in each if one is not None])
    if to == "lerobot-2.1":
        each = [one["stats"] for one in lines(tmp_path / "new/meta/episodes_stats.jsonl")]
        assert [one.get("label", {}).get("count") for one in each] == [[2], [1], None]
        assert [one["observation.latent"]["mean"] for one in each] == [[2.0], [5.5], [-2.0]]
    else:
        told = json.loads((tmp_path / "new/meta/stats.json").read_text())["label"]
        assert (told["min"], told["max"]) == (there.min(0).tolist(), there.max(0).tolist())
        assert np.allclose(told["mean"], there.mean(0))
        assert np.allclose(told["std"], there.std(0))
        assert np.allclose(told["q99"], np.quantile(there, 0.99, axis=0))
    if to == "lerobot-3.0":
        table = pq.read_table(tmp_path / "new/meta/episodes/chunk-000/file-000.parquet")
        assert table.column("stats/label/count").to_pylist() == [[2], [1], None]


def test_statistics_that_are_computed_leave_out_rows_without_a_value(tmp_path: Path) -> None:
    root = with_nulls(tmp_path / "set")
    episodes = read_set(root).episodes
    found = episode_stats(EpisodeRows(root, episodes), episodes, ["observation.latent", "label"])
    there = np.array([one for each in LATENT for one in each if one is not None])
    latent = found["observation.latent"]
    assert (latent.count, latent.min, latent.max, latent.not_finite) == (9, (-3.0,), (7.0,), (0,))
    assert np.allclose([latent.mean[0], latent.q50[0]], [there.mean(), np.median(there)])  # type: ignore[index]
    none = episode_stats(EpisodeRows(root, episodes), episodes, ["label"], places=[2])["label"]
    assert (none.count, none.mean, none.q50) == (0, (None, None), (None, None))


def test_a_column_that_no_row_has_a_value_of_has_no_statistics(tmp_path: Path) -> None:
    none = [[None] * rows for rows in LENGTHS]
    root = with_nulls(tmp_path / "set", {"label": ("int64", [2], pa.list_(pa.int64(), 2), none)})
    convert(root, tmp_path / "new", to="lerobot-3.0")
    assert "label" not in json.loads((tmp_path / "new/meta/stats.json").read_text())
    assert values_of(tmp_path / "new", "label") == [[None] * 13]


def test_without_any_null_the_mask_is_told_of_and_no_more(tmp_path: Path) -> None:
    every = [[1.0] * rows for rows in LENGTHS]
    root = with_nulls(tmp_path / "set", {"latent": ("float32", [1], pa.float32(), every)})
    note = convert(root, tmp_path / "demo.hdf5", to="robomimic")["nulls-as-zeros"]
    assert (note.severity, "0 of latent" in note.message) == ("info", True)
    plain = convert(write_lerobot(tmp_path / "plain"), tmp_path / "plain.hdf5", to="robomimic")
    assert "nulls-as-zeros" not in plain


def test_only_truth_values_beside_a_column_are_its_mask(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "demo.hdf5", lengths=(4,))
    with h5py.File(path, "r+") as file:
        demo = file["data/demo_0"]
        demo["actions_is_null"] = np.array([False, True, False, False])
        demo["rewards_is_null"] = np.zeros(4, np.int64)
        demo["door_is_null"] = np.ones(4, bool)
    header: Any = read(path).container.header
    assert {one.name: one.nullable for one in header.features} == {
        "actions": True, "door_is_null": False, "dones": False, "obs/joint_pos": False, "rewards": False,
        "rewards_is_null": False,
    }  # fmt: skip


def test_a_column_where_the_mask_belongs_is_refused(tmp_path: Path) -> None:
    kept = {"label": COLUMNS["label"], "label_is_null": ("int64", [1], pa.int64(), [[0] * rows for rows in LENGTHS])}
    root = with_nulls(tmp_path / "set", kept)
    with pytest.raises(SchemaError, match="expected 'label_is_null' to say which rows have no value, got columns of"):
        convert(root, tmp_path / "demo.hdf5", to="robomimic")
    assert not (tmp_path / "demo.hdf5").exists()


def test_a_column_that_is_left_out_takes_its_mask_along(tmp_path: Path) -> None:
    root = with_nulls(tmp_path / "set")
    convert(root, tmp_path / "demo.hdf5", to="robomimic")
    edit = EpisodesEdit(drop=("label", "note"), rename={"obs/latent": "latent"})
    convert(tmp_path / "demo.hdf5", tmp_path / "new", to="lerobot-2.1", edit=edit)
    features = info_of(tmp_path / "new")["features"]
    assert not [name for name in features if name.startswith(("label", "note"))]
    assert features["latent"]["info"] == {"nullable": True}
    assert values_of(tmp_path / "new", "latent") == LATENT


@settings(max_examples=20)
@given(null=st.lists(st.booleans(), min_size=1, max_size=9), wide=st.sampled_from([(), (1,), (2,), (2, 3)]))
def test_any_mask_comes_back(null: list[bool], wide: tuple[int, ...], tmp_path_factory: Any) -> None:
    folder = tmp_path_factory.mktemp("nulls")
    values = np.arange(1, 1 + len(null) * int(np.prod(wide))).reshape(len(null), *wide)
    path = write_robomimic(folder / "demo.hdf5", lengths=(len(null),))
    with h5py.File(path, "r+") as file:
        file["data/demo_0/x"] = values
        file["data/demo_0/x_is_null"] = np.array(null)
    convert(path, folder / "new", to="lerobot-2.1")
    (found,) = values_of(folder / "new", "x")
    plain = values.reshape(-1) if wide == (1,) else values
    assert found == [None if one else value for one, value in zip(null, plain.tolist(), strict=True)]
    back = read_set(folder / "new").episodes
    assert EpisodeRows(folder / "new", back).read(0, ["x_is_null"])["x_is_null"].tolist() == null


def test_columns_that_do_not_say_so_may_lack_nothing(tmp_path: Path) -> None:
    root = with_nulls(tmp_path / "set", declared=False)
    with pytest.raises(SchemaError, match=r"label: expected a list in every row, got none in 2; .*nullable"):
        convert(root, tmp_path / "demo.hdf5", to="robomimic")
    assert not (tmp_path / "demo.hdf5").exists()


@pytest.mark.parametrize("versions", [("v2.1", "v2.1"), ("v2.1", "v3.0")])
def test_a_merged_column_may_lack_values_where_that_of_any_source_may(
    versions: tuple[str, str], tmp_path: Path
) -> None:
    every = [[1.0] * rows for rows in LENGTHS]
    one = with_nulls(tmp_path / "one", {"x": ("float32", [1], pa.float32(), every)}, declared=False)
    two = with_nulls(tmp_path / "two", {"x": ("float32", [1], pa.float32(), LATENT)})
    if versions[1] == "v3.0":
        convert(two, tmp_path / "third", to="lerobot-3.0")
        two = tmp_path / "third"
    for number, sources in enumerate(((one, two), (two, one))):
        target = tmp_path / f"both_{number}"
        told = edit_sets(sources, target, "lerobot-2.1", EpisodesEdit())
        assert ("nullable-now" in {note.code for note in told.notes}) == (number == 0)
        assert info_of(target)["features"]["x"]["info"] == {"nullable": True}
        assert values_of(target, "x") == (every + LATENT if number == 0 else LATENT + every)
        count = [line["stats"]["x"]["count"] for line in lines(target / "meta/episodes_stats.jsonl")]
        assert count == ([[4], [6], [3], [2], [4], [3]] if number == 0 else [[2], [4], [3], [4], [6], [3]])


def test_a_merge_that_fails_names_the_rows_of_its_source(tmp_path: Path) -> None:
    one = with_nulls(tmp_path / "one", {"label": COLUMNS["label"]})
    two = with_nulls(tmp_path / "two", {"label": COLUMNS["label"]}, declared=False)
    for sources in ([two], [two, two]):
        with pytest.raises(SchemaError, match=r"got none in 2; .*\"info\": {\"nullable\": true}") as caught:
            edit_sets(sources, tmp_path / "both", "lerobot-3.0", EpisodesEdit())
        assert caught.value.problems[0].where == f"{two}/data/chunk-000/episode_000000.parquet: label"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]
    edit_sets([two, one], tmp_path / "both", "lerobot-3.0", EpisodesEdit(drop=("label",)))

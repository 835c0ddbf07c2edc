"""Episodes in shards: other programs open them as they are, they are read in place, every byte is proven."""

from __future__ import annotations

import gc
import hashlib
import io
import json
import pickle
import shutil
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import lapsdata
from lapsdata._convert import convert
from lapsdata._repair import repair
from lapsdata.adapters import EpisodesEdit
from lapsdata.adapters.lerobot.adding import add_column
from lapsdata.adapters.lerobot.archives import changed_episodes, check_archives
from lapsdata.adapters.lerobot.converting import convert_set
from lapsdata.adapters.lerobot.editing import edit_sets
from lapsdata.adapters.lerobot.from_rows import write_rows
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.adapters.lerobot.recorder import EpisodeWriter
from lapsdata.adapters.robomimic import read as read_robomimic
from lapsdata.checks.integrity import check_integrity
from lapsdata.errors import CorruptDataError, SchemaError
from lapsdata.schema import EpisodeSample, EpisodeShards
from lapsdata.storage.sealed_json import read_sealed_json
from lapsdata.testing.demo_files import write_robomimic
from lapsdata.testing.episode_sets import CAMERA, drawn_frame, episode_rows, write_lerobot

if TYPE_CHECKING:
    from lapsdata.adapters.lerobot.converting import LeRobotTarget

LENGTHS = (4, 6, 5)
VERSIONS = ("v2.0", "v2.1", "v3.0")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lerobot(tmp_path_factory.mktemp("source") / "set", version="v2.1", lengths=LENGTHS, videos=True)


@pytest.fixture(scope="module")
def made(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("made") / "set.shards"
    convert_set(source, target, "shards", samples_per_shard=2)
    return target


@pytest.fixture
def shards(made: Path, tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    return Path(shutil.copytree(made, tmp_path / "set.shards"))


def expect_samples(one: Path, other: Path) -> None:
    deltas = {CAMERA: [-0.1, 0.0], "action": [0.0, 0.1, 0.2]}
    left, right = lapsdata.open_steps(one, deltas), lapsdata.open_steps(other, deltas)
    assert len(left) == len(right)
    for number in range(len(left)):
        wanted, got = left[number], right[number]
        assert set(wanted) == set(got)
        for name, value in wanted.items():
            assert got[name] == value if isinstance(value, str) else torch.equal(got[name], value), name


# What is written


def test_an_archive_holds_what_was_there_byte_by_byte(source: Path, made: Path) -> None:
    found: dict[str, bytes] = {}
    for number in range(2):
        with tarfile.open(made / f"shard-{number:06d}.tar") as tar:
            found |= {one.name: tar.extractfile(one).read() for one in tar}  # type: ignore[union-attr]
    assert len(found) == 9
    for episode, rows in enumerate(episode_rows(LENGTHS)):
        video = source / f"videos/chunk-000/{CAMERA}/episode_{episode:06d}.mp4"
        assert found[f"{episode:09d}.{CAMERA}.mp4"] == video.read_bytes()
        table = pq.read_table(io.BytesIO(found[f"{episode:09d}.rows.parquet"]))
        assert table.equals(pq.read_table(source / f"data/chunk-000/episode_{episode:06d}.parquet"))
        told = EpisodeSample.parse(found[f"{episode:09d}.json"], "json")
        words = ("pick the cube", "place the cup")[rows.task]
        assert (told.episode_index, told.length, str(told.rate), told.tasks) == (episode, len(table), "10", (words,))


# The library leaves the archives that it has read for the garbage collector to close.
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_webdataset_opens_them(made: Path) -> None:
    import webdataset

    urls = str(made / "shard-{000000..000001}.tar")
    samples = list(webdataset.WebDataset(urls, shardshuffle=False).decode())
    assert [one["__key__"] for one in samples] == ["000000000", "000000001", "000000002"]
    assert [one["json"]["length"] for one in samples] == list(LENGTHS)
    assert set(samples[0]) >= {"json", "rows.parquet", f"{CAMERA}.mp4"}
    del samples
    gc.collect()


def test_the_catalog_says_where_each_sample_lies(made: Path) -> None:
    rows = pq.read_table(made / "meta/episodes.parquet").to_pylist()
    assert [one["episode_index"] for one in rows] == [0, 1, 2]
    assert [one["length"] for one in rows] == list(LENGTHS)
    assert [one["tasks"] for one in rows] == [["pick the cube"], ["place the cup"], ["pick the cube"]]
    assert [one["shards/number"] for one in rows] == [0, 0, 1]
    assert [one["shards/duration_s"] for one in rows] == [0.4, 0.6, 0.5]
    assert [one["shards/split"] for one in rows] == ["train"] * 3
    for one in rows:
        data = (made / f"shard-{one['shards/number']:06d}.tar").read_bytes()
        sample = data[one["shards/offset"] : one["shards/offset"] + one["shards/nbytes"]]
        assert one["shards/digest"] == f"sha256:{hashlib.sha256(sample).hexdigest()}"
        assert sample.startswith(f"{one['episode_index']:09d}.json\0".encode())


def test_the_record_says_what_each_archive_is(made: Path) -> None:
    told = read_sealed_json(made / "meta/shards.json", EpisodeShards)
    assert told.episodes == 3
    assert told.cameras == (CAMERA,)
    assert [shard.rows for shard in told.shards] == [2, 1]
    for file, folder in (*((shard, made) for shard in told.shards), (told.catalog, made / "meta")):
        data = (folder / file.name).read_bytes()
        assert (file.size, file.digest) == (len(data), f"sha256:{hashlib.sha256(data).hexdigest()}")
    left = sorted(path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file())
    assert left == [
        "meta/episodes.parquet", "meta/episodes_stats.jsonl", "meta/info.json", "meta/shards.json", "meta/tasks.jsonl",
        "shard-000000.tar", "shard-000001.tar",
    ]  # fmt: skip


def test_equal_sets_give_equal_archives(source: Path, made: Path, tmp_path: Path) -> None:
    convert_set(source, tmp_path / "again", "shards", samples_per_shard=2)
    for name in ("shard-000000.tar", "shard-000001.tar", "meta/episodes.parquet", "meta/info.json"):
        assert (tmp_path / "again" / name).read_bytes() == (made / name).read_bytes()


def test_archives_end_by_size_where_no_number_is_said(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert_set(source, tmp_path / "one", "shards")
    assert [path.name for path in (tmp_path / "one").glob("*.tar")] == ["shard-000000.tar"]
    monkeypatch.setattr("lapsdata.adapters.lerobot._out_shards._SHARD_BYTES", 1)
    convert_set(source, tmp_path / "each", "shards")
    assert len(list((tmp_path / "each").glob("*.tar"))) == 3
    expect_samples(tmp_path / "one", tmp_path / "each")


# What is read


def test_they_are_read_in_place(source: Path, made: Path) -> None:
    found = read_set(made, strict=True)
    assert (found.version, found.info.packed, found.notes) == ("v2.1", True, ())
    expect_samples(source, made)


def test_frames_are_those_that_were_drawn(made: Path) -> None:
    steps = lapsdata.open_steps(made)
    for number, (episode, row) in enumerate((e, r) for e, rows in enumerate(LENGTHS) for r in range(rows)):
        image = steps[number][CAMERA].numpy().transpose(1, 2, 0)
        image = image * 255 if image.dtype != np.uint8 else image
        assert np.abs(image.astype(int) - drawn_frame(episode, row)).max() <= 6


def test_steps_of_shards_go_to_threads_and_processes(made: Path) -> None:
    steps = lapsdata.open_steps(made)
    wanted = steps.gather(np.arange(15))
    again = pickle.loads(pickle.dumps(steps))
    found = again.gather(np.arange(15), threads=3)
    assert set(found) == set(wanted)
    for name, array in wanted.items():
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("version", VERSIONS)
def test_any_version_goes_into_shards_and_comes_out(tmp_path: Path, version: str) -> None:
    root = write_lerobot(tmp_path / "set", version=version, lengths=LENGTHS, start_s=0.05)
    (root / "meta/modality.json").write_text(json.dumps({"state": {"arm": {"start": 0, "end": 2}}, "action": {}}))
    convert_set(root, tmp_path / "packed", "shards")
    assert (tmp_path / "packed/meta/modality.json").is_file()
    for after in VERSIONS:
        to: LeRobotTarget = f"lerobot-{after[1:]}"  # type: ignore[assignment]  # one of its words
        told = convert_set(tmp_path / "packed", tmp_path / after, to)
        assert not [note for note in told.notes if note.code == "left-behind" and "shard" in note.message]
        steps = lapsdata.open_steps(tmp_path / after)
        assert steps.meta.episodes.header.extras["version"] == after
        for episode, wanted in enumerate(episode_rows(LENGTHS, start_s=0.05)):
            for name, column in wanted.columns.items():
                span = steps.episodes[episode]
                got = steps.gather(np.arange(span.start, span.stop), fields=[name])[name]
                np.testing.assert_array_equal(got, column)


@settings(max_examples=12)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=5), st.integers(1, 3), st.sampled_from(VERSIONS))
def test_every_episode_is_in_one_archive(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], per: int, version: str
) -> None:
    folder = tmp_path_factory.mktemp("each")
    convert_set(
        write_lerobot(folder / "set", version=version, lengths=lengths), folder / "out", "shards", samples_per_shard=per
    )
    members = []
    for path in sorted((folder / "out").glob("*.tar")):
        with tarfile.open(path) as tar:
            members.append([name for name in tar.getnames() if name.endswith(".json")])
    assert [len(one) for one in members] == [min(per, len(lengths) - first) for first in range(0, len(lengths), per)]
    assert [name for one in members for name in one] == [f"{number:09d}.json" for number in range(len(lengths))]
    assert lapsdata.open_steps(folder / "out").meta.episodes.rows.tolist() == lengths
    shutil.rmtree(folder)


# By the command


def test_the_verb_goes_both_ways(source: Path, tmp_path: Path) -> None:
    report = convert(source, tmp_path / "packed", to="shards", samples_per_shard=1)
    assert [entry.fate for entry in report.entries] == ["made"]
    assert len(list((tmp_path / "packed").glob("*.tar"))) == 3
    back = convert(tmp_path / "packed", tmp_path / "back", to="lerobot-2.1")
    assert [entry.fate for entry in back.entries] == ["made"]
    expect_samples(source, tmp_path / "back")
    (entry,) = back.entries
    assert entry.result is not None
    assert entry.result.unverified == 0, "archives were compared with their digests"


def test_edited_episodes_go_into_shards(source: Path, tmp_path: Path) -> None:
    edit = EpisodesEdit(without_episodes="1", drop=("action",))
    convert(source, tmp_path / "some", to="shards", edit=edit, samples_per_shard=1)
    steps = lapsdata.open_steps(tmp_path / "some")
    assert [span.stop - span.start for span in steps.episodes] == [4, 5]
    assert "action" not in steps.fields


def test_shards_again_is_refused(made: Path, tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"expected another version than that of .*, got shards again"):
        convert_set(made, tmp_path / "again", "shards")


def test_nothing_is_said_to_be_copied_where_all_is_encoded(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", version="v3.0", lengths=LENGTHS, videos=True)
    codes = {note.code for note in convert_set(root, tmp_path / "packed", "shards").notes}
    assert "videos-encoded" in codes
    assert "videos-copied" not in codes


# What is refused


def test_a_set_in_shards_is_not_edited_in_place(made: Path, tmp_path: Path) -> None:
    told = r"expected a data set with files in folders, got one in shards; first: lapsdata convert .* --to lerobot-3.0"
    with pytest.raises(SchemaError, match=told):
        edit_sets([made], tmp_path / "some", None, EpisodesEdit(episodes="0"))
    with pytest.raises(SchemaError, match=told):
        add_column(read_set(made), tmp_path / "more", "label", {"dtype": "int64", "shape": [1]}, {})


def test_cameras_that_cannot_be_members_are_named(source: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(source, tmp_path / "set"))
    videos = root / "videos/chunk-000"
    info = json.loads((root / "meta/info.json").read_text())
    for name in ("Top", "top", "a/b"):
        info["features"][name] = info["features"][CAMERA]
        shutil.copytree(videos / CAMERA, videos / name)
    (root / "meta/info.json").write_text(json.dumps(info))
    with pytest.raises(
        SchemaError, match=r"a/b: expected a camera whose files stay in the set.*; --rename a/b=NEW"
    ) as raised:
        convert_set(root, tmp_path / "out", "shards")
    assert [problem.code for problem in raised.value.problems] == ["wrong-name", "wrong-name"]
    assert not (tmp_path / "out").exists()


def test_an_option_of_shards_means_nothing_to_others(source: Path, tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"samples_per_shard: expected none with lerobot-3\.0, got one"):
        convert(source, tmp_path / "out", to="lerobot-3.0", samples_per_shard=3)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"episodes": 4}, "expected 4 samples in the shards and the catalog, got 3"),
        ({"shards": []}, "at least 1 item"),
        ({"cameras": [""]}, "at least 1 character"),
    ],
)
def test_a_record_that_contradicts_itself_is_refused(made: Path, change: dict[str, Any], told: str) -> None:
    whole = read_sealed_json(made / "meta/shards.json", EpisodeShards).as_json()
    with pytest.raises(SchemaError, match=told):
        EpisodeShards.parse(json.dumps({**whole, **change}).encode(), "shards.json")


# Damage


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def lies(root: Path, episode: int) -> dict[str, Any]:
    rows: list[dict[str, Any]] = pq.read_table(root / "meta/episodes.parquet").to_pylist()
    return rows[episode]


def test_whole_archives_are_said_to_be_so(made: Path) -> None:
    assert check_archives(made) == (2, [])
    assert changed_episodes(made) == {}
    (item,) = check_integrity([made]).items
    assert item.status == "ok"
    assert "2 archives as they were written" in item.note


@pytest.mark.parametrize("episode", range(3))
def test_a_flipped_bit_is_told_with_its_episode(shards: Path, episode: int, tmp_path: Path) -> None:
    place = lies(shards, episode)
    name = f"shard-{place['shards/number']:06d}.tar"
    flip(shards / name, place["shards/offset"] + 520)
    good, problems = check_archives(shards)
    assert good == 1
    (problem,) = problems
    assert (problem.code, Path(problem.where).name) == ("not-as-written", name)
    assert problem.message.endswith(f"; episodes that are not as they were: {episode}")
    with pytest.raises(CorruptDataError, match=f"episodes that are not as they were: {episode};"):
        convert_set(shards, tmp_path / "out", "lerobot-3.0")
    assert not (tmp_path / "out").exists()
    assert check_integrity([shards]).items[0].status == "error"


def test_the_catalog_is_compared_too(shards: Path) -> None:
    path = shards / "meta/episodes.parquet"
    table = pq.read_table(path)
    pq.write_table(table.slice(0, 2), path)
    good, (problem,) = check_archives(shards)
    assert good == 2
    assert problem.where == str(path)
    pq.write_table(table.drop_columns(["shards/digest"]), path)
    with pytest.raises(CorruptDataError, match="a catalog of shards, got none of shards/digest"):
        changed_episodes(shards)


@pytest.mark.parametrize("gone", [False, True])
def test_without_its_record_archives_are_compared_with_the_catalog(shards: Path, gone: bool, tmp_path: Path) -> None:
    seal = shards / "meta/shards.json"
    seal.unlink() if gone else flip(seal, 40)
    good, (problem,) = check_archives(shards)
    assert (good, Path(problem.where.split(": ")[0]).name) == (2, "shards.json")
    assert problem.fix.endswith("lapsdata repair PATH --out FOLDER")
    assert [note.code for note in read_set(shards).notes if note.severity == "warning"] == ["no-seal"] * gone
    flip(shards / "shard-000000.tar", lies(shards, 1)["shards/offset"] + 520)
    good, problems = check_archives(shards)
    assert (good, len(problems)) == (1, 2)
    assert problems[1].message.endswith("episodes that are not as they were: 1")
    assert check_integrity([shards]).items[0].status == "error"
    with pytest.raises(CorruptDataError, match="episodes that are not as they were: 1"):
        convert_set(shards, tmp_path / "out", "lerobot-3.0")


def test_without_its_record_a_whole_set_is_sealed_anew(shards: Path, tmp_path: Path) -> None:
    (shards / "meta/shards.json").unlink()
    assert check_integrity([shards]).items[0].status == "error"
    assert repair(shards).items[0].state == "damaged"
    (item,) = repair(shards, tmp_path / "anew").items
    assert (item.state, item.kept, item.lost) == ("repaired", 3, 0)
    assert check_integrity([tmp_path / "anew"]).items[0].status == "ok"
    expect_samples(shards, tmp_path / "anew")


@pytest.mark.parametrize("name", ["info.json", "tasks.jsonl", "episodes_stats.jsonl"])
def test_the_files_beside_are_compared_too(shards: Path, name: str) -> None:
    path = shards / "meta" / name
    path.write_text(path.read_text().replace("0", "1", 1) if name != "tasks.jsonl" else path.read_text() + "\n")
    good, (problem,) = check_archives(shards)
    assert (good, problem.code, problem.where) == (2, "not-as-written", str(path))
    told = [one for one in check_integrity([shards]).items[0].problems if one.code == "not-as-written"]
    assert [one.where for one in told] == [str(path)]


def test_without_a_description_the_archives_are_named_as_what_they_are(shards: Path) -> None:
    (shards / "meta/info.json").unlink()
    (item,) = check_integrity([shards]).items
    assert (item.status, item.kind) == ("error", "lerobot")
    assert "info.json" in item.problems[0].where
    (item,) = repair(shards).items
    assert item.state == "beyond-repair"
    assert item.notes[0].code == "no-info"


def test_of_a_cut_archive_what_is_whole_is_read_and_the_rest_is_told(shards: Path) -> None:
    place = lies(shards, 1)
    path = shards / "shard-000000.tar"
    path.write_bytes(path.read_bytes()[: place["shards/offset"] + 700])
    found = read_set(shards)
    assert found.episodes.number.tolist() == [0, 2]
    assert [note.code for note in found.notes if note.severity == "warning"] == ["tar-cut", "missing-episodes"]
    assert len(lapsdata.open_steps(shards)) == 9
    with pytest.raises(SchemaError, match="an end at"):
        read_set(shards, strict=True)


def test_an_archive_that_is_gone_takes_its_episodes_along(shards: Path) -> None:
    (shards / "shard-000000.tar").unlink()
    found = read_set(shards)
    assert found.episodes.number.tolist() == [2]
    assert [note.code for note in found.notes] == ["missing-episodes", "wrong-total", "wrong-total"] or [
        note.code for note in found.notes
    ] == ["missing-episodes"]
    assert changed_episodes(shards) == {0: [0, 1]}


def test_repair_keeps_the_episodes_before_the_damage(shards: Path, tmp_path: Path) -> None:
    # The JSON of a sample is read by no one here: its digest alone tells.
    flip(shards / "shard-000000.tar", lies(shards, 1)["shards/offset"] + 515)
    lapsdata.open_steps(shards)[9]
    report = repair(shards, out=tmp_path / "saved.shards")
    (item,) = report.items
    assert (item.kept, item.lost, item.good_after) == (1, 2, 1)
    assert "expected the bytes that were written, got others" in item.first_bad
    assert check_archives(tmp_path / "saved.shards") == (1, [])
    assert read_set(tmp_path / "saved.shards").episodes.rows.tolist() == [4]


def test_demonstrations_in_hdf5_go_into_shards(tmp_path: Path) -> None:
    source = write_robomimic(tmp_path / "demo.hdf5")
    report = convert(source, tmp_path / "demos.shards", to="shards", samples_per_shard=1)
    assert [entry.fate for entry in report.entries] == ["made"]
    wanted = lapsdata.open_steps(source)
    assert check_archives(tmp_path / "demos.shards") == (wanted.num_episodes, [])
    found = lapsdata.open_steps(tmp_path / "demos.shards")
    np.testing.assert_array_equal(
        found.gather(np.arange(len(found)), fields=["action"])["action"],
        wanted.gather(np.arange(len(wanted)), fields=["actions"])["actions"],
    )
    edit = EpisodesEdit(actions={"action": "relative"})
    with pytest.raises(SchemaError, match="expected vectors of a set of LeRobot to rewrite, got action of arrays"):
        write_rows(tmp_path / "x", read_robomimic(source).container, source, "lerobot-3.0", edit)


def test_a_recording_may_become_shards(tmp_path: Path) -> None:
    with EpisodeWriter(tmp_path / "set", fps=10, to="shards") as writer:
        for _ in range(2):
            writer.add_episode({"action": np.zeros((3, 2), np.float32)}, task="pick")
    assert check_archives(tmp_path / "set") == (1, [])
    assert lapsdata.open_steps(tmp_path / "set").meta.episodes.rows.tolist() == [3, 3]


# A name of a camera is that of a folder: it must not lead out of the set


@pytest.mark.parametrize("name", ["../../../out", "/out", "a/b", "a\\b", "..", ".", " "])
@pytest.mark.parametrize("to", ["lerobot-2.1", "lerobot-3.0", "shards"])
def test_no_name_leads_out_of_the_set(source: Path, tmp_path: Path, name: str, to: LeRobotTarget) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/episode_000000.mp4").write_text("precious")
    with pytest.raises(SchemaError, match=r"expected a name of a column or camera, got .*: (LeRobot takes|it is)"):
        edit_sets([source], tmp_path / "new", to, EpisodesEdit(rename={CAMERA: name}))
    assert (tmp_path / "out/episode_000000.mp4").read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


@pytest.mark.parametrize("to", ["lerobot-2.0", "lerobot-3.0", "gr00t", "shards"])
def test_a_set_whose_own_names_lead_out_is_not_converted(source: Path, tmp_path: Path, to: LeRobotTarget) -> None:
    root = Path(shutil.copytree(source, tmp_path / "set"))
    path = root / "meta/info.json"
    info = json.loads(path.read_text())
    info["features"]["../../../out"] = info["features"].pop(CAMERA)
    shutil.copytree(root / f"videos/chunk-000/{CAMERA}", root / "../out")
    path.write_text(json.dumps(info))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SchemaError, match="expected a camera whose files stay in the set"):
        convert_set(root, tmp_path / "deep/er/new", to)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_recorder_takes_no_such_camera(tmp_path: Path) -> None:
    writer = EpisodeWriter(tmp_path / "set", fps=10)
    images = np.zeros((3, 48, 64, 3), np.uint8)
    with pytest.raises(SchemaError, match="expected a camera whose files stay in the set"):
        writer.add_episode({"action": np.zeros((3, 2))}, task="pick", videos={"../../out": images})
    assert not list(tmp_path.rglob("*.mp4"))

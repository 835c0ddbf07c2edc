"""Damaged catalogs: rows that fit the seal, rows that their files prove, and nothing that neither does."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
import pytest

import lapsdata
from lapsdata._repair import Repaired, repair
from lapsdata._repair._catalogs import WRITE_AGAIN
from lapsdata.containers import Catalog
from lapsdata.errors import StorageError
from lapsdata.formats.catalog_parquet import COLUMNS
from lapsdata.loading.catalog import write_catalog
from lapsdata.schema import SourceVideo
from lapsdata.storage import sealed_groups
from lapsdata.storage.sealed_groups import write_sealed_groups
from lapsdata.testing.samples import sample_catalog, sample_shards, sample_tracks

if TYPE_CHECKING:
    from lapsdata.containers import Tracks

NAME = "all.catalog.parquet"
FILES, PER_GROUP = 6, 3
TOLD_BY_FILES = [name for name in COLUMNS if name not in ("group", "split")]


def made(number: int, **options: int) -> Tracks:
    return sample_tracks(windows=5 + number, seed=number, video=SourceVideo(name=f"v{number}"), **options)


@pytest.fixture(autouse=True)
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed_groups, "ROW_GROUP", PER_GROUP)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six files of one video and shards of two, with catalogs of their eight items in three groups of rows."""
    folder = tmp_path_factory.mktemp("home") / "data"
    folder.mkdir()
    for number in range(FILES):
        lapsdata.write(folder / f"f{number}.h5", made(number))
    lapsdata.write(folder / "g.shards", sample_shards(windows=(3, 4)))
    group = {"v3": "left", "v4": "left", "v5": "right"}
    split = {"left": "train", "right": "test", "v0": "train", "v1": "test"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sealed_groups, "ROW_GROUP", PER_GROUP)
        write_catalog(folder / NAME, folder, group=group, split=split)
        write_catalog(folder / "bare.parquet", folder)  # no groups and no splits
    return folder


@pytest.fixture
def data(home: Path, tmp_path: Path) -> Path:
    """A copy, in which anything may be changed."""
    return Path(shutil.copytree(home, tmp_path / "data"))


def flip(path: Path, column: str, group: int = 1) -> None:
    """Flip a bit of the last page of a column of a group of rows."""
    chunk = pq.read_metadata(path).row_group(group).column(COLUMNS.index(column))
    content = bytearray(path.read_bytes())
    begin = chunk.dictionary_page_offset if chunk.has_dictionary_page else chunk.data_page_offset
    content[begin + chunk.total_compressed_size - 3] ^= 4
    path.write_bytes(content)


def saved(path: Path, **options: str) -> tuple[Repaired, Path]:
    out = path.with_name("saved.parquet")
    [found] = repair(path, out, **options).items  # type: ignore[arg-type]
    return found, out


def codes(found: Repaired) -> list[str]:
    return [note.code for note in found.notes]


def rows(catalog: Catalog) -> list[tuple[object, ...]]:
    columns = [getattr(catalog, name) for name in COLUMNS]
    return list(zip(*(c.tolist() if isinstance(c, np.ndarray) else c for c in columns), strict=True))


@pytest.mark.parametrize("column", TOLD_BY_FILES)
@pytest.mark.parametrize("name", [NAME, "bare.parquet"])
def test_what_the_files_say_too_is_made_anew(column: str, name: str, data: Path) -> None:
    whole = lapsdata.read(data / name, Catalog)
    flip(data / name, column)
    found, out = saved(data / name)
    assert (found.state, found.unit, found.kept, found.lost, found.remade) == ("repaired", "items", 8, 0, PER_GROUP)
    assert found.first_bad.startswith(f"row group 1: {column}: ")
    assert codes(found) == ["column-damaged", "items-remade", "no-index"]
    again = lapsdata.read(out, Catalog)
    assert rows(again) == rows(whole)
    assert again.header.policies == {"remade_items": PER_GROUP}
    assert [parent.role for parent in again.header.provenance.parents] == ["damaged"]
    windows = lapsdata.open_windows(out)
    assert windows.locate(30).video == lapsdata.open_windows(data).locate(30).video


def test_several_columns_and_groups_at_once(data: Path) -> None:
    whole = lapsdata.read(data / NAME, Catalog)
    for column in ("windows", "duration_s", "digest", "first"):
        for group in range(3):
            flip(data / NAME, column, group)
    flip(data / NAME, "video", 0)
    flip(data / NAME, "path", 2)
    found, out = saved(data / NAME)
    assert (found.kept, found.lost, found.remade) == (8, 0, 8)
    assert rows(lapsdata.read(out, Catalog)) == rows(whole)


@pytest.mark.parametrize(
    ("column", "keep", "kept"), [("split", "prefix", 3), ("group", "prefix", 3), ("group", "all", 5)]
)
def test_groups_and_splits_stand_in_no_file(column: str, keep: str, kept: int, data: Path) -> None:
    whole = lapsdata.read(data / NAME, Catalog)
    flip(data / NAME, column)
    found, out = saved(data / NAME, keep=keep)
    assert (found.kept, found.lost, found.remade, found.good_after) == (kept, 8 - kept, 0, 5 - kept)
    assert codes(found) == ["column-damaged", "items-lost", "no-index"]
    assert found.notes[0].fix == f"no file says {column}: {WRITE_AGAIN}"
    lost = [n for n in range(8) if n not in (0, 1, 2, 6, 7)[:kept]]
    assert "'v3', 'v4', 'v5'" in found.notes[1].message
    assert f"with {whole.windows[lost].sum()} windows" in found.notes[1].message
    assert found.lost_s == pytest.approx(whole.duration_s[lost].sum())
    again = lapsdata.read(out, Catalog)
    assert rows(again) == [row for n, row in enumerate(rows(whole)) if n not in lost]
    assert again.header.policies == {"lost_to_damage": 8 - kept}
    assert len(lapsdata.open_windows(out)) == again.header.windows


@pytest.mark.parametrize("column", ["group", "split"])
def test_that_there_is_no_group_and_no_split_is_proved(column: str, data: Path) -> None:
    whole = lapsdata.read(data / "bare.parquet", Catalog)
    flip(data / "bare.parquet", column)
    found, out = saved(data / "bare.parquet")
    assert (found.kept, found.lost, found.remade) == (8, 0, PER_GROUP)
    assert rows(lapsdata.read(out, Catalog)) == rows(whole)


def test_one_split_for_a_whole_group_of_rows_is_proved(data: Path) -> None:
    target = data / "one.parquet"
    write_catalog(target, data, split={"v3": "test", "v4": "test", "v5": "test", "v0": "train"})
    flip(target, "split")
    found, out = saved(target)
    assert (found.kept, found.remade) == (8, PER_GROUP)
    assert lapsdata.read(out, Catalog).split[3:6] == ("test",) * 3


def test_a_file_that_is_gone_costs_its_own_item(data: Path) -> None:
    whole = lapsdata.read(data / NAME, Catalog)
    flip(data / NAME, "rate")
    (data / "f4.h5").unlink()
    found, out = saved(data / NAME, keep="all")
    assert (found.kept, found.lost, found.remade) == (7, 1, 2)
    assert found.lost_s == pytest.approx(whole.duration_s[4])
    assert codes(found) == ["column-damaged", "files-refused", "items-remade", "items-lost", "no-index"]
    assert (found.notes[1].where, "no such file" in found.notes[1].message) == ("'f4.h5'", True)
    assert found.notes[3].message == "'v4', with 9 windows"
    assert rows(lapsdata.read(out, Catalog)) == [row for n, row in enumerate(rows(whole)) if n != 4]


def test_a_file_that_is_another_one_proves_nothing(data: Path) -> None:
    lapsdata.write(data / "f4.h5", made(4, stride=2), overwrite=True)
    flip(data / NAME, "duration_s")
    found, out = saved(data / NAME)
    assert (found.kept, found.lost, found.lost_s, found.good_after) == (4, 4, None, 3)
    assert codes(found)[:2] == ["column-damaged", "files-changed"]
    assert found.notes[1].where == "'f4.h5'"
    assert lapsdata.read(out, Catalog).path == ("f0.h5", "f1.h5", "f2.h5", "f3.h5")


def test_without_digests_one_file_that_changed_leaves_its_group_unproved(data: Path) -> None:
    other = sample_tracks(windows=9, seed=99, video=SourceVideo(name="v4"))
    lapsdata.write(data / "f4.h5", other, overwrite=True)
    whole = lapsdata.read(data / NAME, Catalog)
    flip(data / NAME, "digest")
    found, _ = saved(data / NAME)
    assert (found.kept, found.lost, found.good_after) == (3, 5, 2)
    (note,) = [note for note in found.notes if note.code == "items-lost"]
    assert "read_table(PATH, columns=['video', 'split', 'group'])" in str(note.fix)
    table = pq.read_table(data / NAME, columns=["video", "split", "group"])
    told = {
        name: dict(zip(table["video"].to_pylist(), table[name].to_pylist(), strict=True)) for name in table.column_names
    }
    write_catalog(data / "again.parquet", data, split=told["split"], group=told["group"])
    again = lapsdata.read(data / "again.parquet", Catalog)
    assert (again.split, again.group) == (whole.split, whole.group)


def test_a_lost_first_group_says_how_to_save_the_others(data: Path) -> None:
    flip(data / NAME, "split", 0)
    [found] = repair(data / NAME).items
    assert (found.state, codes(found)) == ("beyond-repair", ["nothing-left", "column-damaged"])
    assert "5 of 8 items are sound, or proved by their files; --keep all saves them" in found.notes[0].message
    found, out = saved(data / NAME, keep="all")
    assert (found.kept, found.lost) == (5, 3)
    assert lapsdata.read(out, Catalog).video == ("v3", "v4", "v5", "clip_0", "clip_1")


def test_what_is_saved_elsewhere_still_finds_its_files(data: Path, tmp_path: Path) -> None:
    flip(data / NAME, "digest")
    (tmp_path / "other").mkdir()
    [found] = repair(data / NAME, tmp_path / "other").items
    assert found.output == tmp_path / "other" / NAME
    assert "paths-respelled" in codes(found)
    windows, expected = lapsdata.open_windows(tmp_path / "other" / NAME), lapsdata.open_windows(data)
    assert windows.gather([7, 45])["tracks"].tobytes() == expected.gather([7, 45])["tracks"].tobytes()


def test_without_an_output_nothing_is_written(data: Path) -> None:
    flip(data / NAME, "digest")
    before = sorted(data.iterdir())
    report = repair(data / NAME)
    assert report.facts() | {"damage": ""} == {
        "file": f"{data / NAME} (catalog_parquet)",
        "state": "damaged",
        "kept": "8 items",
        "remade": "3 of these",
        "damage": "",
    }
    assert [problem.code for problem in report.problems] == ["column-damaged", "items-remade", "not-written"]
    assert sorted(data.iterdir()) == before


def test_an_index_of_another_catalog_is_not_taken_along(data: Path) -> None:
    damaged = (data / NAME).rename(data / "damaged.parquet")
    flip(damaged, "digest")
    with pytest.raises(StorageError, match=r"expected no index beside it, got all\.catalog\.index"):
        repair(damaged, data / NAME)
    assert not (data / NAME).exists()


@pytest.mark.parametrize(
    ("key", "old", "new", "code"),
    [
        (b"lapsdata:header", b'"usual":["tracks"', b'"usual":["trbcks"', "header-damaged"),
        (b"lapsdata:header", b'"usual":["tracks"', b'"usual" ["tracks"', "undecodable"),
        (b"lapsdata:seal", b'"digests":["', b'"digestt":["', "seal-damaged"),
    ],
)
def test_without_header_or_seal_the_catalog_is_to_be_written_again(
    key: bytes, old: bytes, new: bytes, code: str, data: Path
) -> None:
    table = pq.read_table(data / NAME)
    metadata = {**table.schema.metadata, key: table.schema.metadata[key].replace(old, new, 1)}
    assert metadata != table.schema.metadata
    pq.write_table(table.replace_schema_metadata(metadata), data / NAME)
    [found] = repair(data / NAME).items
    assert (found.state, codes(found), found.notes[0].fix) == ("beyond-repair", [code], WRITE_AGAIN)


@pytest.mark.parametrize(
    ("left", "begin", "code"),
    [(0.3, b"", "undecodable"), (0.99, b"", "undecodable"), (1, b"PAR2", "magic-damaged")],
)
def test_a_catalog_that_was_cut_has_no_footer(left: float, begin: bytes, code: str, data: Path) -> None:
    content = (data / NAME).read_bytes()
    (data / NAME).write_bytes(begin + content[len(begin) : int(left * len(content))])
    [found] = repair(data / NAME).items
    assert (found.state, codes(found), found.notes[0].fix) == ("beyond-repair", [code], WRITE_AGAIN)


def test_a_table_that_was_sealed_and_is_no_catalog_is_told(tmp_path: Path) -> None:
    import pyarrow as pa

    header = sample_catalog().header.as_json()
    write_sealed_groups(tmp_path / "odd.parquet", header, pa.table({"path": ["a"]}))
    [found] = repair(tmp_path / "odd.parquet").items
    assert (found.state, codes(found)) == ("beyond-repair", ["wrong-columns"])


def test_a_whole_catalog_is_told_with_its_index(data: Path) -> None:
    [found] = repair(data / NAME).items
    assert (found.state, found.kept, found.notes) == ("whole", 8, ())
    entries = data / "all.catalog.index" / "entries.npy"
    content = bytearray(entries.read_bytes())
    content[600] ^= 1
    entries.write_bytes(content)
    [found] = repair(data / NAME).items
    assert (found.state, found.kept, codes(found)) == ("whole", 8, ["index-damaged"])
    assert "item 0" in found.notes[0].where
    assert "or remove all.catalog.index: the catalog is read without it" in str(found.notes[0].fix)


def test_a_catalog_among_its_files_is_repaired_with_its_index_left_alone(data: Path, tmp_path: Path) -> None:
    flip(data / NAME, "digest")
    report = repair(data, tmp_path / "saved")
    assert report.beside == ()
    assert {item.path.name: item.state for item in report.items if item.state != "whole"} == {NAME: "repaired"}


def test_whatever_is_damaged_nothing_wrong_is_saved(data: Path) -> None:
    expected, content = rows(lapsdata.read(data / NAME, Catalog)), (data / NAME).read_bytes()
    moments, states = random.Random(11), []
    pages = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    for number in range(40):
        # Mostly in the pages: of a catalog this small, most is footer.
        spot = moments.randrange(4, pages) if number % 4 else moments.randrange(len(content))
        damaged = bytearray(content)
        damaged[spot : spot + 1 + 40 * (number % 3)] = bytes(1 + 40 * (number % 3))
        damaged[spot] ^= 1 << moments.randrange(8)
        (data / NAME).write_bytes(damaged[: len(content)])
        [found] = repair(data / NAME, out := data / f"saved{number}.parquet", keep=("prefix", "all")[number % 2]).items  # type: ignore[arg-type]
        states.append(found.state)
        if found.state == "repaired":
            again = rows(lapsdata.read(out, Catalog))
            assert again == [row for row in expected if row in again]
            assert number % 2 or again == expected[: len(again)]
    assert states.count("repaired") >= 15

"""Files of ours, folders, JSON and ledgers: what is whole is told so, what is not is found and counted."""

from __future__ import annotations

import dataclasses
import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from lapsdata import formats
from lapsdata.checks import _rows
from lapsdata.checks.integrity import check_integrity
from lapsdata.errors import LapsError
from lapsdata.formats.shards_webdataset import ShardsFolder
from lapsdata.loading.items import indexed_file
from lapsdata.loading.ledger import ledger_name
from lapsdata.loading.loader import Loader
from lapsdata.provenance import CodeDigestWarning
from lapsdata.schema.threshold import ThresholdRecord
from lapsdata.storage.sealed_json import sealed_json, write_sealed_json
from lapsdata.testing.contracts import FormatCase, content_of, format_cases
from lapsdata.testing.numbers import Numbers
from lapsdata.testing.samples import sample_energies, sample_shards, sample_tracks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lapsdata.checks.outcome import CheckedItem, IntegrityReport

    Make = Callable[..., Path]

CASES = format_cases()


def statuses(report: IntegrityReport) -> dict[str, str]:
    return {item.path.name: item.status for item in report.items}


def codes(report: IntegrityReport) -> list[str]:
    return [problem.code for problem in report.problems]


def only(path: Path) -> CheckedItem:
    (item,) = check_integrity([path]).items
    return item


def flip(path: Path, place: int, bit: int = 0) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << bit
    path.write_bytes(content)


def damage(path: Path, *rows: int, field: str = "tracks") -> None:
    """Flip a bit of windows of a tracks file of ours."""
    index = formats.recognise(path).index
    assert index is not None
    source = indexed_file(path, index(path), None).pieces[0].found[field]
    for row in rows:
        flip(source.files[source.file[row]], int(source.offset[row]) + 3)  # type: ignore[union-attr]


class TestOurs:
    @pytest.mark.parametrize("name", sorted(CASES))
    def test_what_was_written_is_whole(self, tmp_path: Path, name: str) -> None:
        case = CASES[name]
        path = tmp_path / f"item{case.format.suffixes[0]}"
        case.write(path)
        report = check_integrity([path])
        assert (report.problems, statuses(report)) == ([], {path.name: "ok"})
        assert report.items[0].kind == case.format.name
        assert report.items[0].windows == report.items[0].verified or report.items[0].windows is None

    @pytest.mark.parametrize("name", sorted(CASES))
    def test_what_reading_refuses_is_found(self, tmp_path: Path, name: str) -> None:
        case, random = CASES[name], np.random.default_rng(3)
        path = tmp_path / f"item{case.format.suffixes[0]}"
        case.write(path)
        whole = content_of(path)
        errors = 0
        for _ in range(10):
            part = list(whole)[int(random.integers(len(whole)))]
            file = path / part if part else path
            place = int(random.integers(len(whole[part])))
            flip(file, place, int(random.integers(8)))
            readable = _reads(case, path)
            item = only(path)
            # A first byte that is damaged makes a file that none knows: told, as unverified.
            assert item.status == "ok" if readable else item.status in ("error", "warning"), (part, place, item)
            errors += item.status == "error"
            file.write_bytes(whole[part])
        assert errors > 2
        assert only(path).status == "ok"

    @pytest.mark.parametrize(("name", "options"), [
        ("clip.h5", {}), ("clip.h5", {"chunking": "windows"}), ("clip.h5", {"profile": "compact"}),
        ("clip.zarr", {}), ("clip.zarr", {"profile": "compact"}),
    ])  # fmt: skip
    def test_every_damaged_window_is_counted(self, tmp_path: Path, name: str, options: dict[str, Any]) -> None:
        path = tmp_path / name
        formats.write(path, sample_tracks(windows=40), **options)
        damage(path, 2, 3, 39)
        item = only(path)
        assert (item.status, item.windows, item.verified) == ("error", 40, 37)
        assert item.note == "37 of 40 windows verified"
        assert "(damaged: 3 of 40 windows, 2 .. 3, 39)" in item.problems[0].message

    def test_a_window_of_which_two_fields_are_damaged_is_one(self, tmp_path: Path) -> None:
        path = tmp_path / "clip.h5"
        formats.write(path, sample_tracks(windows=10, confidence=True))
        damage(path, 4)
        damage(path, 4, field="vis")
        damage(path, 9, field="confidence")
        item = only(path)
        assert (item.verified, len(item.problems)) == (8, 3)

    def test_far_too_many_are_told_as_a_bound(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_rows, "_MOST_DAMAGED", 3)
        monkeypatch.setattr(_rows, "_BLOCK_BYTES", 4 * 5 * 9 * 10)
        path = tmp_path / "clip.h5"
        formats.write(path, sample_tracks(windows=100))
        damage(path, 0, 2, 4, 50, 99)
        item = only(path)
        assert 0 < item.verified < 95
        assert "(damaged: up to " in item.problems[0].message

    def test_the_index_of_a_cut_file_is_an_error(self, tmp_path: Path) -> None:
        path = tmp_path / "clip.h5"
        formats.write(path, sample_tracks(windows=100))
        path.write_bytes(path.read_bytes()[:-100])
        assert only(path).status == "error"

    def test_shards_are_compared_as_wholes_and_by_window(self, tmp_path: Path) -> None:
        path = tmp_path / "clips.shards"
        formats.write(path, sample_shards(windows=(30, 10)), samples_per_shard=16)
        folder = ShardsFolder(path)
        index = folder.index("tracks")
        flip(folder.shards[1], int(index.offset[17]))
        item = only(path)
        assert (item.status, item.windows, item.verified) == ("error", 40, 39)
        flip(folder.shards[1], int(index.offset[17]))
        # In the padding behind a member no window lies.
        flip(folder.shards[2], folder.shards[2].stat().st_size - 1)
        item = only(path)
        assert (item.status, item.verified) == ("error", 40)
        assert "shard-000002.tar" in item.problems[0].where

    def test_a_format_that_is_too_new_is_told(self, tmp_path: Path) -> None:
        path = tmp_path / "e.jsonl"
        formats.write(path, sample_energies())
        path.write_bytes(path.read_bytes().replace(b'"format_version":"1.0"', b'"format_version":"2.0"'))
        assert codes(check_integrity([path])) == ["format-too-new"]


def _reads(case: FormatCase, path: Path) -> bool:
    try:
        return case.container.equals(formats.read(path))
    except LapsError:
        return False


class TestSealedJson:
    def test_records_are_compared_with_their_seal(self, root: Path, tmp_path: Path) -> None:
        path, example = tmp_path / "threshold.json", root / "schemas/examples/threshold.v1/valid/full.json"
        write_sealed_json(path, ThresholdRecord.parse(example.read_bytes()))
        assert (only(path).status, only(path).kind, only(path).note) == ("ok", "sealed JSON", "verified")
        whole = path.read_bytes()
        for place in range(0, len(whole) - 1, 7):
            flip(path, place)
            # The last digits of a number may stand for the same one.
            assert only(path).status == "error" or json.loads(path.read_bytes()) == json.loads(whole)
            path.write_bytes(whole)

    def test_a_record_of_others_needs_a_seal_that_fits(self, tmp_path: Path) -> None:
        from lapsdata.schema.base import Size

        path = tmp_path / "size.json"
        path.write_bytes(sealed_json(Size(width=4, height=3)))
        assert only(path).status == "ok"
        path.write_bytes(path.read_bytes().replace(b"4", b"5"))
        assert [problem.code for problem in only(path).problems] == ["checksum"]

    def test_plain_json_is_passed_over_in_folders_and_unknown_by_name(self, make: Make, tmp_path: Path) -> None:
        path = tmp_path / "labels.json"
        path.write_text(json.dumps({"labels": [1, 2]}))
        make("contiguous")
        assert check_integrity([tmp_path]).passed_over == {".json": 1}
        assert codes(check_integrity([path])) == ["unknown-format"]


class TestFolders:
    def test_a_folder_is_walked(self, make: Make, tmp_path: Path) -> None:
        inner = tmp_path / "deep" / "deeper"
        inner.mkdir(parents=True)
        formats.write(inner / "a.h5", sample_tracks())
        formats.write(inner / "b.zarr", sample_tracks())
        formats.write(tmp_path / "deep" / "c.shards", sample_shards())
        formats.write(tmp_path / "e.jsonl", sample_energies())
        make("contiguous")
        (tmp_path / "notes.txt").write_bytes(b"no film")
        (tmp_path / "README").write_bytes(b"no ending")
        (tmp_path / ".cache").mkdir()
        report = check_integrity([tmp_path])
        assert statuses(report) == {"a.h5": "ok", "b.zarr": "ok", "c.shards": "ok", "e.jsonl": "ok",
                                    "theirs.h5": "warning"}  # fmt: skip
        assert report.passed_over == {".txt": 1, "no ending": 1, "hidden": 1}
        assert codes(report) == ["unverified"]
        assert report.summary == "5 items: 4 ok, 1 warning; passed over: 1 .txt, 1 hidden, 1 no ending"

    def test_files_of_other_code_are_one_warning(self, tmp_path: Path) -> None:
        tracks = sample_tracks()
        made = tracks.header.provenance.model_copy(update={"producer": "lapsdata"})
        header = tracks.header.model_copy(update={"provenance": made})
        for name in ("a.h5", "b.h5", "c.zarr"):
            formats.write(tmp_path / name, dataclasses.replace(tracks, header=header))
        with pytest.warns(CodeDigestWarning, match="a.h5: written by lapsdata 1 .*; and 2 more files") as told:
            report = check_integrity([tmp_path])
        assert (len(told), set(statuses(report).values())) == (1, {"ok"})

    def test_what_is_named_twice_is_checked_once(self, make: Make, tmp_path: Path) -> None:
        path = make("contiguous")
        report = check_integrity([tmp_path, path, tmp_path])
        assert [item.path for item in report.items] == [path]
        assert codes(report) == ["unverified"]

    def test_the_current_folder_may_be_named(self, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from pathlib import Path

        folder = make("zarr")
        monkeypatch.chdir(tmp_path)
        assert statuses(check_integrity([Path()])) == {"theirs.zarr": "warning"}
        monkeypatch.chdir(folder)
        assert statuses(check_integrity([Path()])) == {"theirs.zarr": "warning"}
        assert statuses(check_integrity([Path()], seal=True)) == {"theirs.zarr": "ok"}
        assert (tmp_path / "theirs.zarr.lapsdata-seal.json").is_file()

    def test_a_link_that_leads_back_ends(self, make: Make, tmp_path: Path) -> None:
        make("contiguous")
        (tmp_path / "again").symlink_to(tmp_path)
        assert len(check_integrity([tmp_path]).items) == 1

    def test_what_is_not_there_is_told_and_the_rest_is_checked(self, make: Make, tmp_path: Path) -> None:
        (tmp_path / "loose.h5").symlink_to("nowhere")
        make("contiguous")
        report = check_integrity([tmp_path / "absent.h5", tmp_path])
        assert statuses(report) == {"theirs.h5": "warning"}
        assert sorted(codes(report)) == ["not-found", "not-found", "unverified"]

    def test_a_folder_with_nothing_to_check_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_bytes(b"")
        (problem,) = check_integrity([tmp_path]).problems
        assert (problem.code, problem.message) == ("no-files", "expected files to check, got 1 others")

    def test_files_of_a_known_ending_that_none_knows_are_told(self, make: Make, tmp_path: Path) -> None:
        make("tar")
        parquet.write_table(pyarrow.table({"frame": [1, 2]}), tmp_path / "table.parquet")
        (tmp_path / "lines.jsonl").write_bytes(b'{"a": 1}\n')
        (tmp_path / "text.h5").write_bytes(b"no HDF5")
        report = check_integrity([tmp_path])
        assert statuses(report) == {"table.parquet": "warning", "lines.jsonl": "warning", "text.h5": "error",
                                    "theirs.tar": "warning"}  # fmt: skip
        assert codes(check_integrity([tmp_path / "lines.jsonl"])) == ["unknown-format"]

    def test_a_list_stands_for_its_file(self, make: Make, tmp_path: Path) -> None:
        path = make("contiguous")
        check_integrity([path], seal=True)
        place = tmp_path / "theirs.h5.lapsdata-seal.json"
        assert statuses(check_integrity([place])) == {"theirs.h5": "ok"}
        assert statuses(check_integrity([tmp_path])) == {"theirs.h5": "ok"}
        path.unlink()
        make("tar")
        report = check_integrity([tmp_path])
        assert codes(report) == ["unverified", "seal-list-alone"] or codes(report) == ["seal-list-alone", "unverified"]
        assert codes(check_integrity([place])) == ["not-found"]

    def test_foreign_files_are_read_whole_even_unverified(self, make: Make) -> None:
        path = make("gzip")
        with h5py.File(path) as file:
            info = file["root/default/tracks"].id.get_chunk_info(1)
        flip(path, info.byte_offset + info.size // 2, 4)
        item = only(path)
        assert item.status == "error"
        assert item.note in ("13 windows read, unverified", "20 windows read, unverified")


class TestLedgers:
    def train(self, folder: Path, *, ranks: int = 2, samples: int = 20) -> None:
        for rank in range(ranks):
            with Loader(Numbers(samples), batch_size=5, shuffle="global", rank=rank, world_size=ranks, workers=0,
                        ledger=folder) as loader:  # fmt: skip
                for _ in loader:
                    pass

    def test_ledgers_prove_together_beside_data(self, make: Make, tmp_path: Path) -> None:
        self.train(tmp_path / "run")
        named = [tmp_path / "run" / ledger_name(rank) for rank in range(2)]
        report = check_integrity([make("contiguous"), *named])
        assert codes(report) == ["unverified"]
        (group,) = report.ledgers
        assert (group.paths, group.report.whole_epochs) == (tuple(named), 1)
        (epoch,) = group.as_json()["epochs"]
        assert epoch == {"epoch": 0, "whole": True, "samples": 20, "received": 20, "missing": 0, "twice": 0,
                         "dropped": 0}  # fmt: skip

    def test_a_rank_that_is_not_named_is_missing(self, tmp_path: Path) -> None:
        self.train(tmp_path / "run")
        report = check_integrity([tmp_path / "run" / ledger_name(0)])
        assert "rank-missing" in codes(report)

    def test_folders_that_are_named_belong_together_and_those_within_by_themselves(self, tmp_path: Path) -> None:
        runs = tmp_path / "runs"
        self.train(runs / "one", samples=20)
        self.train(runs / "two", samples=30)
        report = check_integrity([runs])
        assert (report.problems, len(report.ledgers)) == ([], 2)
        assert "other-order" in codes(check_integrity([runs / "one", runs / "two"]))
        apart = [tmp_path / "node0", tmp_path / "node1"]
        for rank, node in enumerate(apart):
            node.mkdir()
            (runs / "one" / ledger_name(rank)).rename(node / ledger_name(rank))
        report = check_integrity(apart)
        assert (report.problems, len(report.ledgers)) == ([], 1)

    def test_a_ledger_is_known_by_what_it_says_and_a_damaged_one_by_its_name(self, tmp_path: Path) -> None:
        self.train(tmp_path, ranks=1)
        path = tmp_path / ledger_name(0)
        other = path.rename(tmp_path / "what-rank-0-saw.txt")
        assert check_integrity([other]).ledgers[0].report.whole_epochs == 1
        path = other.rename(path)
        flip(path, 2)
        report = check_integrity([path])
        assert len(report.ledgers) == 1
        assert "damaged-line" in codes(report)


class TestMemory:
    @pytest.mark.parametrize("seal", [False, True])
    def test_it_does_not_grow_with_the_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seal: bool) -> None:
        monkeypatch.setattr(_rows, "_BLOCK_BYTES", 1 << 18)
        peaks = []
        for windows in (200, 200, 3200):
            path = tmp_path / f"{windows}.h5"
            with h5py.File(path, "w") as file:
                file["tracks"] = np.zeros((windows, 8, 50, 2), np.float32)
                file["vis"] = np.zeros((windows, 8, 50), np.float32)
            tracemalloc.start()
            report = check_integrity([path], seal=seal, force=seal)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
            assert report.items[0].windows == windows
        # The first one imports; beside blocks, there are some bytes for each window, and 4800 of data.
        assert peaks[2] - peaks[1] < 3000 * 400

    def test_progress_counts_every_window_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_rows, "_BLOCK_BYTES", 1 << 12)
        formats.write(tmp_path / "a.h5", sample_tracks(windows=33))
        formats.write(tmp_path / "b.zarr", sample_tracks(windows=17), profile="compact")
        formats.write(tmp_path / "c.shards", sample_shards(windows=(5, 6)), samples_per_shard=4)
        counts: list[int] = []
        check_integrity([tmp_path], advance=counts.append)
        assert sum(counts) == 33 + 17 + 11
        assert len(counts) >= 6

"""Plans of pieces, for times of any kind: who is in which piece, what it is called; and what the user is told."""

from __future__ import annotations

import itertools
import json
import shutil
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lapsdata._convert import _splitting
from lapsdata._convert._splitting import PieceTable, SplitReport, SplitVideo, split_videos
from lapsdata.errors import CorruptDataError, Problem
from lapsdata.execution.report import Entry
from lapsdata.storage.sealed_json import read_sealed_json, write_sealed_json
from lapsdata.timebase import FrameRate, frame_to_s
from lapsdata.video.probe import probe
from lapsdata.video.reader import open_video
from lapsdata.video.writer import write_video

if TYPE_CHECKING:
    from collections.abc import Callable

    Inside = Callable[..., Any]

TICK_S = Fraction(1, 90_000)


def write(path: Path, times: Any, *, grey: int = 0, gop: int | None = None, codec: Any = "h264") -> Path:
    frames = [np.full((48, 64, 3), (8 * number + grey) % 256, np.uint8) for number in range(len(times))]
    write_video(path, frames, np.asarray(times, np.float64), gop=gop, codec=codec)
    return path


def planned(video: Path, every_s: float) -> PieceTable:
    """Return what would be made of a video; nothing is written."""
    return _splitting._item(video, video.stem, video.with_name("table"), every_s).payload.table


def table(out: Path, name: str) -> PieceTable:
    return read_sealed_json(out / f"{name}.pieces.json", PieceTable)


ticks = st.lists(st.integers(1, 400_000), min_size=0, max_size=9).map(lambda gaps: [0, *itertools.accumulate(gaps)])


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ticks, st.integers(900, 300_000))
def test_each_frame_is_in_the_piece_that_its_time_lies_in(tmp_path: Path, ticks: list[int], every: int) -> None:
    """By fractions: frame k is in piece floor(t_k / every), where a piece of no frames is none."""
    clip = tmp_path / "vfr.mp4"
    write_video(clip, [np.zeros((48, 64, 3), np.uint8)] * len(ticks), [float(at * TICK_S) for at in ticks],
                overwrite=True)  # fmt: skip
    plan = planned(clip, float(every * TICK_S))
    cells = [at // every for at in ticks]
    expected = [len(list(run)) for _, run in itertools.groupby(cells)]
    assert [piece.frames for piece in plan.pieces] == expected
    assert [piece.first_frame for piece in plan.pieces] == [0, *itertools.accumulate(expected)][:-1]
    shown = probe(clip)
    for piece, later in itertools.zip_longest(plan.pieces, plan.pieces[1:]):
        assert piece.start_s == shown.frame_s[piece.first_frame]
        assert piece.end_s == (shown.end_s if later is None else later.start_s)
        assert piece.end_s > piece.start_s


@pytest.mark.parametrize(
    ("rate", "every_s", "frames"),
    [
        ("30000/1001", 0.5, [15, 15, 15, 15]),
        ("24000/1001", 1.0, [24, 24, 12]),
        ("25", 0.04, [1] * 60),
        ("10", 0.1, [1] * 60),
        ("30", 40.0, [60]),
        ("3", 1.0, [3] * 20),
    ],
)
def test_pieces_of_a_steady_rate_by_hand(tmp_path: Path, rate: str, every_s: float, frames: list[int]) -> None:
    clip = write(tmp_path / "clip.mp4", frame_to_s(np.arange(60), FrameRate.parse(rate)))
    assert [piece.frames for piece in planned(clip, every_s).pieces] == frames


def test_a_long_gap_is_the_end_of_a_piece_and_no_piece_of_its_own(tmp_path: Path) -> None:
    plan = planned(write(tmp_path / "gap.mp4", [0.0, 0.5, 30.0, 30.5]), 1.0)
    assert [(piece.name, piece.start_s, piece.end_s) for piece in plan.pieces] == [
        ("gap_000.mp4", 0.0, 30.0), ("gap_001.mp4", 30.0, probe(tmp_path / "gap.mp4").end_s),
    ]  # fmt: skip


def test_names_sort_as_time_does_however_many_there_are(tmp_path: Path) -> None:
    for count, first, last in ((1000, "c_000.mp4", "c_999.mp4"), (1001, "c_0000.mp4", "c_1000.mp4")):
        clip = tmp_path / str(count) / "c.mp4"
        clip.parent.mkdir()
        write(clip, np.arange(count) / 100)
        names = [piece.name for piece in planned(clip, 0.01).pieces]
        assert (names[0], names[-1], len(names)) == (first, last, count)
        assert names == sorted(names)


def test_a_keyframe_at_each_cut_is_copied_and_only_there(tmp_path: Path) -> None:
    clip = write(tmp_path / "keyed.mp4", np.arange(20) / 10, gop=5)
    for every_s, how in ((0.5, ["copied"] * 4), (1.0, ["copied"] * 2), (2.0, ["copied"]), (0.4, ["encoded"] * 5)):
        assert [piece.how for piece in planned(clip, every_s).pieces] == how
    assert {piece.how for piece in planned(write(tmp_path / "k.mkv", np.arange(20) / 10, gop=5), 0.5).pieces} == {
        "encoded"
    }


@pytest.mark.usefixtures("one_process")
class TestMade:
    """What lies in the folder afterwards."""

    @pytest.mark.parametrize("name", ["two words", "Übung (1)", "a.b.c", "x" * 60])
    def test_names_of_others_are_kept(self, tmp_path: Path, name: str) -> None:
        write(tmp_path / f"{name}.mp4", np.arange(4) / 10)
        split_videos(tmp_path / f"{name}.mp4", tmp_path / "out", 0.2)
        assert sorted(path.name for path in (tmp_path / "out").glob("*.mp4")) == [f"{name}_000.mp4", f"{name}_001.mp4"]
        assert table(tmp_path / "out", name).video == name

    def test_a_table_says_from_what_and_how_it_was_made(self, tmp_path: Path) -> None:
        clip = write(tmp_path / "clip.mp4", np.arange(6) / 10)
        split_videos(clip, tmp_path / "out", 0.25)
        made = table(tmp_path / "out", "clip")
        assert made.provenance.parameters == {"every_s": 0.25}
        (source,) = made.provenance.parents
        assert (source.role, source.name) == ("video", "clip.mp4")
        text = (tmp_path / "out" / "clip.pieces.json").read_text()
        assert str(tmp_path) not in text
        assert made.every_s == 0.25

    def test_equal_sources_give_equal_pieces(self, tmp_path: Path) -> None:
        clip = write(tmp_path / "clip.mp4", np.arange(7) / 10)
        for out in ("one", "two"):
            split_videos(clip, tmp_path / out, 0.3)
        names = sorted(path.name for path in (tmp_path / "one").iterdir() if path.name.startswith("clip"))
        assert len(names) == 4
        for name in names:
            assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name

    def test_pieces_of_pieces_lead_back_to_the_source(self, tmp_path: Path) -> None:
        clip = write(tmp_path / "clip.mp4", np.cumsum([0.0, 0.1, 0.25, 0.05, 0.3, 0.1, 0.15]))
        split_videos(clip, tmp_path / "halves", 0.5)
        split_videos(tmp_path / "halves", tmp_path / "quarters", 0.25)
        times = [
            outer.start_s + inner.start_s + probe(tmp_path / "quarters" / inner.name).frame_s
            for outer in table(tmp_path / "halves", "clip").pieces
            for inner in table(tmp_path / "quarters", outer.name.removesuffix(".mp4")).pieces
        ]
        np.testing.assert_allclose(np.concatenate(times), probe(clip).frame_s, atol=1e-5)

    def test_force_replaces_the_pieces_of_another_source_and_leaves_none_behind(self, tmp_path: Path) -> None:
        clip, out = tmp_path / "clip.mp4", tmp_path / "out"
        write(clip, np.arange(8) / 10)
        split_videos(clip, out, 0.2)
        (out / "clip_note.mp4").write_bytes(b"mine")
        clip.unlink()
        write(clip, np.arange(4) / 10, grey=128)
        (problem,) = split_videos(clip, out, 0.2).problems
        assert "it was split every 0.2 s from clip.mp4; --force replaces it" in str(problem)
        assert split_videos(clip, out, 0.2, force=True).problems == ()
        assert sorted(path.name for path in out.glob("*.mp4")) == ["clip_000.mp4", "clip_001.mp4", "clip_note.mp4"]
        with open_video(out / "clip_000.mp4") as video:
            assert round(float(next(iter(video.frames())).image.mean())) == pytest.approx(128, abs=2)

    def test_a_table_that_others_made_is_never_replaced(self, tmp_path: Path) -> None:
        clip, out = write(tmp_path / "clip.mp4", np.arange(4) / 10), tmp_path / "out"
        split_videos(clip, out, 0.2)
        mine = table(out, "clip")
        theirs = mine.provenance.model_copy(update={"producer": "theirs"})
        path = out / "clip.pieces.json"
        write_sealed_json(path, mine.model_copy(update={"provenance": theirs}), overwrite=True)
        before = path.read_bytes()
        for force in (False, True):
            report = split_videos(clip, out, 0.2, force=force)
            assert report.counts["failed"] == 1
            assert path.read_bytes() == before

    @pytest.mark.parametrize("content", [b"", b"not a video", b"\x00\x00\x00\x18ftypmp42" + b"\x00" * 40])
    def test_what_is_no_video_fails_by_name_and_leaves_nothing(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "videos").mkdir()
        (tmp_path / "videos" / "bad.mp4").write_bytes(content)
        write(tmp_path / "videos" / "good.mp4", np.arange(4) / 10)
        report = split_videos(tmp_path / "videos", tmp_path / "out", 0.2)
        assert {entry.name: entry.fate for entry in report.entries} == {"bad": "failed", "good": "made"}
        assert all("bad.mp4" in str(problem) for problem in report.problems)
        assert not list((tmp_path / "out").glob("bad*"))
        assert len(list((tmp_path / "out").glob("good_*.mp4"))) == 2

    def test_a_folder_of_images_is_no_video(self, inside: Inside, tmp_path: Path) -> None:
        import cv2

        (tmp_path / "shots").mkdir()
        for number in range(3):
            cv2.imwrite(str(tmp_path / "shots" / f"{number:03d}.png"), np.zeros((48, 64, 3), np.uint8))
        done = inside("convert", tmp_path / "shots", "pieces", "--split-every", "1")
        assert done.returncode == 1
        assert "expected a video, got a folder of images; name a video, or a folder of videos" in done.stderr

    def test_what_cannot_be_read_to_its_end_leaves_neither_pieces_nor_a_table(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = _splitting.write_clip

        def torn(path: Path, times: Any, images: Any) -> int:
            if path.name != "clip_000.mp4":
                raise CorruptDataError(Problem("undecodable", "clip.mp4", "frame 4 cannot be decoded"))
            return real(path, times, images)

        clip = write(tmp_path / "clip.mp4", np.arange(9) / 10)
        monkeypatch.setattr(_splitting, "write_clip", torn)
        report = split_videos(clip, tmp_path / "out", 0.3)
        assert report.counts["failed"] == 1
        assert "frame 4 cannot be decoded" in str(report.problems[0])
        assert not list((tmp_path / "out").glob("clip*"))
        monkeypatch.undo()
        assert split_videos(clip, tmp_path / "out", 0.3).counts["made"] == 1

    def test_a_copied_piece_is_told_as_what_it_was_in_the_end(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clip = write(tmp_path / "keyed.mp4", np.arange(20) / 10, gop=10)
        made = split_videos(clip, tmp_path / "copied", 1.0)
        assert made.facts["pieces"].startswith("2: 2 copied, 0 encoded again")
        monkeypatch.setattr(_splitting, "_came_back", lambda path, _: path.name != "keyed_001.mp4")
        made = split_videos(clip, tmp_path / "half", 1.0)
        assert made.facts["pieces"].startswith("2: 1 copied, 1 encoded again")
        assert [piece.how for piece in table(tmp_path / "half", "keyed").pieces] == ["copied", "encoded"]
        # A second call finds what the table says, and does nothing.
        assert split_videos(clip, tmp_path / "half", 1.0).counts["kept"] == 1

    def test_lost_pieces_are_counted_and_made_again(self, tmp_path: Path) -> None:
        clip, out = write(tmp_path / "clip.mp4", np.arange(9) / 10), tmp_path / "out"
        split_videos(clip, out, 0.3)
        whole = {path.name: path.read_bytes() for path in out.glob("clip*")}
        for name in ("clip_000.mp4", "clip_002.mp4"):
            (out / name).unlink()
        item = _splitting._item(clip, "clip", out / "clip.pieces.json", 0.3)
        assert _splitting._look(item, force=False).why == "2 of 3 pieces are not there"
        assert split_videos(clip, out, 0.3).counts["damaged"] == 1
        assert {path.name: path.read_bytes() for path in out.glob("clip*")} == whole

    def test_the_verb_tells_failures_by_its_code_and_goes_on(self, inside: Inside, tmp_path: Path) -> None:
        videos = tmp_path / "videos"
        videos.mkdir()
        shutil.copy(write(tmp_path / "good.mp4", np.arange(4) / 10), videos)
        (videos / "bad.mp4").write_bytes(b"no video")
        done = inside("convert", videos, "pieces", "--split-every", "0.2", "--json")
        assert done.returncode == 1
        told = json.loads(done.stdout)
        assert {item["name"]: item["made"] for item in told["items"]} == {
            "bad": None, "good": {"frames": 4, "copied": 0, "encoded": 2, "padded_pictures": 0},
        }  # fmt: skip
        assert "bad.mp4" in json.dumps(told["problems"])

    @pytest.mark.parametrize("every", ["0", "-1s", "nan", "inf", "0.0009"])
    def test_the_verb_refuses_lengths_that_are_none(self, inside: Inside, tmp_path: Path, every: str) -> None:
        write(tmp_path / "clip.mp4", np.arange(4) / 10)
        done = inside("convert", tmp_path / "clip.mp4", "pieces", f"--split-every={every}")
        assert done.returncode == 1
        assert "every_s: expected finite seconds of at least 0.001, got" in done.stderr
        assert not (tmp_path / "pieces").exists()


def test_a_report_tells_frames_pieces_and_padding() -> None:
    assert "pieces" not in SplitReport(()).facts
    made = {"a": SplitVideo(1200, 2, 1, 0), "b": SplitVideo(34, 0, 1, 34)}
    report = SplitReport(tuple(Entry(name, Path(name), "made", result=one) for name, one in made.items()))
    assert report.facts["frames"] == "1,234, each in one piece"
    assert report.facts["pieces"] == "4: 2 copied, 2 encoded again (H.264, crf 18, 4:2:0)"
    assert report.facts["padded"] == "34 pictures of odd sides have their last line or column doubled"
    assert [item["made"]["encoded"] for item in report.as_json()["items"]] == [1, 1]

"""Videos in pieces: every frame in one of them, times that can be mapped back, and nothing replaced unasked."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lapsdata._convert import _splitting
from lapsdata._convert._splitting import Piece, PieceTable, split_videos
from lapsdata.adapters._synthetic import MARKER, SyntheticMarker
from lapsdata.errors import SchemaError, StorageError, UnknownFormatError
from lapsdata.provenance import synthetic_note
from lapsdata.storage.sealed_json import read_sealed_json, write_sealed_json
from lapsdata.video.probe import probe
from lapsdata.video.reader import open_video
from lapsdata.video.writer import write_video

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    Inside = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("one_process")


def write(path: Path, times: np.ndarray, *, gop: int | None = None, size: tuple[int, int] = (48, 64)) -> None:
    """Write pictures whose grey is the number of the frame, so that each can be told from the others."""
    codec = "ffv1" if size[0] % 2 else "h264"
    frames = [np.full((*size, 3), 8 * number + 20, np.uint8) for number in range(len(times))]
    write_video(path, frames, times, codec=codec, gop=gop)  # type: ignore[arg-type]  # one of the words


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    folder.mkdir()
    write(folder / "steady.mp4", np.arange(25) / 10)
    write(folder / "keyed.mp4", np.arange(20) / 10, gop=5)
    write(folder / "vfr.mp4", np.cumsum([0.0, *np.random.default_rng(3).integers(3000, 30_000, 24)]) / 90_000)
    return folder


def table(out: Path, name: str) -> PieceTable:
    return read_sealed_json(out / f"{name}.pieces.json", PieceTable)


def numbers(path: Path) -> list[int]:
    with open_video(path) as video:
        return [round((float(frame.image.mean()) - 20) / 8) for frame in video.frames()]


def test_every_frame_is_in_one_piece_and_its_time_is_known(videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "pieces"
    report = split_videos(videos, out, 1.0)
    assert report.counts["made"] == 3
    assert report.problems == ()
    for path in sorted(videos.iterdir()):
        source, told = probe(path), table(out, path.stem)
        assert told.frames == source.frames == sum(piece.frames for piece in told.pieces)
        assert [piece.name for piece in told.pieces] == [f"{path.stem}_{n:03d}.mp4" for n in range(len(told.pieces))]
        came = [probe(out / piece.name).frame_s + piece.start_s for piece in told.pieces]
        np.testing.assert_allclose(np.concatenate(came), source.frame_s, atol=1e-6)
        assert [number for piece in told.pieces for number in numbers(out / piece.name)] == list(range(source.frames))
        for piece, later in zip(told.pieces, told.pieces[1:], strict=False):
            assert piece.end_s == later.start_s == source.frame_s[later.first_frame]
            assert piece.first_frame + piece.frames == later.first_frame
        assert told.pieces[-1].end_s == source.end_s


def test_what_can_be_copied_is_copied(videos: Path, tmp_path: Path) -> None:
    report = split_videos(videos, tmp_path / "pieces", 1.0)
    told = table(tmp_path / "pieces", "keyed")
    assert [(piece.first_frame, piece.how) for piece in told.pieces] == [(0, "copied"), (10, "copied")]
    assert {piece.how for piece in table(tmp_path / "pieces", "steady").pieces[1:]} == {"encoded"}
    assert re.fullmatch(r"\d+: \d+ copied, \d+ encoded again \(H\.264, crf 18, 4:2:0\)", report.facts["pieces"])


def test_a_copy_whose_times_do_not_come_back_is_encoded_instead(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(source: object, path: Path, first: int, until: int) -> None:
        write(path, np.arange(until - first) / 9)

    monkeypatch.setattr(_splitting, "copy_frames", wrong)
    split_videos(videos / "keyed.mp4", tmp_path / "pieces", 1.0)
    told = table(tmp_path / "pieces", "keyed")
    assert {piece.how for piece in told.pieces} == {"encoded"}
    assert numbers(tmp_path / "pieces" / "keyed_001.mp4") == list(range(10, 20))


def test_a_short_last_piece_and_odd_sides_are_kept(tmp_path: Path) -> None:
    write(tmp_path / "odd.mkv", np.arange(21) / 10, size=(47, 63))
    report = split_videos(tmp_path / "odd.mkv", tmp_path / "pieces", 1.0)
    assert [piece.frames for piece in table(tmp_path / "pieces", "odd").pieces] == [10, 10, 1]
    assert report.facts["padded"].startswith("21 pictures")
    assert probe(tmp_path / "pieces" / "odd_002.mp4").size.height == 48


def test_a_second_call_does_what_is_missing(videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "pieces"
    split_videos(videos, out, 1.0)
    before = {path.name: path.stat().st_ino for path in out.glob("*.mp4")}
    assert split_videos(videos, out, 1.0).counts["kept"] == 3
    (out / "steady_001.mp4").unlink()
    assert split_videos(videos, out, 1.0).counts["damaged"] == 1
    after = {path.name: path.stat().st_ino for path in out.glob("*.mp4")}
    assert {name for name in before if before[name] != after[name]} <= {"steady_001.mp4"}
    assert numbers(out / "steady_001.mp4") == list(range(10, 20))


def test_nothing_is_replaced_unasked(videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "pieces"
    out.mkdir()
    (out / "steady_001.mp4").write_bytes(b"mine")
    report = split_videos(videos / "steady.mp4", out, 1.0)
    assert report.counts["failed"] == 1
    assert "steady_001.mp4' without a table" in str(report.problems[0])
    assert (out / "steady_001.mp4").read_bytes() == b"mine"
    (out / "steady_001.mp4").unlink()
    split_videos(videos / "steady.mp4", out, 1.0)
    report = split_videos(videos / "steady.mp4", out, 0.5)
    assert "split every 1 s from steady.mp4; --force replaces it" in str(report.problems[0])
    assert len(list(out.glob("*.mp4"))) == 3
    assert split_videos(videos / "steady.mp4", out, 0.5, force=True).counts["changed"] == 1
    assert [piece.frames for piece in table(out, "steady").pieces] == [5] * 5
    assert len(list(out.glob("*.mp4"))) == 5


def test_pieces_that_nothing_tells_of_are_left_alone(videos: Path, tmp_path: Path) -> None:
    """They may be of another length, and would be taken for those of this one."""
    out = tmp_path / "pieces"
    split_videos(videos / "steady.mp4", out, 0.5)
    told = out / "steady.pieces.json"
    told.write_text(told.read_text().replace("steady_000", "steady_009"))
    report = split_videos(videos / "steady.mp4", out, 1.0)
    assert "'steady_002.mp4' and nothing tells of what" in str(report.problems[0])
    assert numbers(out / "steady_000.mp4") == list(range(5))
    for piece in out.glob("*.mp4"):
        piece.unlink()
    assert split_videos(videos / "steady.mp4", out, 1.0).counts["damaged"] == 1
    assert numbers(out / "steady_000.mp4") == list(range(10))


def test_forced_pieces_of_another_length_are_whole_though_one_was_lost(videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "pieces"
    split_videos(videos / "steady.mp4", out, 1.0)
    (out / "steady_001.mp4").unlink()
    split_videos(videos / "steady.mp4", out, 0.5, force=True)
    assert [piece.frames for piece in table(out, "steady").pieces] == [5] * 5
    assert [len(numbers(path)) for path in sorted(out.glob("*.mp4"))] == [5] * 5


def test_the_table_knows_how_each_piece_was_made(videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is stopped, or that makes one piece again, leaves none that its table is wrong about."""

    def wrong(source: object, path: Path, first: int, until: int) -> None:
        write(path, np.arange(until - first) / 9)

    def stopped(*_: object) -> int:
        raise KeyboardInterrupt

    out = tmp_path / "pieces"
    with monkeypatch.context() as patch:
        patch.setattr(_splitting, "copy_frames", wrong)
        split_videos(videos / "keyed.mp4", out, 1.0)
        (out / "keyed_001.mp4").unlink()
    split_videos(videos / "keyed.mp4", out, 1.0)
    assert [piece.how for piece in table(out, "keyed").pieces] == ["encoded", "encoded"]
    with monkeypatch.context() as patch:
        patch.setattr(_splitting, "copy_frames", wrong)
        patch.setattr(_splitting, "_encode", stopped)
        with pytest.raises(KeyboardInterrupt, match="SIGINT: 1 of 1 items were not done"):
            split_videos(videos / "keyed.mp4", tmp_path / "stopped", 1.0)
    assert [piece.how for piece in table(tmp_path / "stopped", "keyed").pieces] == ["encoded", "copied"]


def test_pieces_of_a_stand_in_say_so(videos: Path, tmp_path: Path) -> None:
    marker = SyntheticMarker(synthetic="SYNTHETIC: rendered", parameters={"seed": 0}, labels="sha256:" + 64 * "0")
    write_sealed_json(tmp_path / MARKER, marker, overwrite=False)
    split_videos(videos / "steady.mp4", tmp_path / "pieces", 1.0)
    assert synthetic_note(table(tmp_path / "pieces", "steady").provenance) == "SYNTHETIC: rendered"
    # As where it lies says, and not where it is called from.
    (tmp_path / "links").mkdir()
    (tmp_path / MARKER).rename(videos / MARKER)
    (tmp_path / "links" / "steady.mp4").symlink_to(videos / "steady.mp4")
    split_videos(tmp_path / "links", tmp_path / "again", 1.0)
    assert synthetic_note(table(tmp_path / "again", "steady").provenance) == "SYNTHETIC: rendered"
    (videos / MARKER).unlink()
    split_videos(videos / "steady.mp4", tmp_path / "real", 1.0)
    assert synthetic_note(table(tmp_path / "real", "steady").provenance) is None


def test_an_unreadable_video_costs_no_other(videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "pieces"
    content = bytearray((videos / "steady.mp4").read_bytes())
    (videos / "cut.mp4").write_bytes(content[: len(content) // 2])
    write_video(videos / "torn.mp4", [np.random.default_rng(n).integers(0, 256, (48, 64, 3), dtype=np.uint8)
                                      for n in range(30)], np.arange(30) / 10, gop=10)  # fmt: skip
    content = bytearray((videos / "torn.mp4").read_bytes())
    content[len(content) // 2 : len(content) // 2 + 20_000] = b"\xff" * 20_000
    (videos / "torn.mp4").write_bytes(content)
    report = split_videos(videos, out, 1.5)
    fates = {entry.name: entry.fate for entry in report.entries}
    assert fates == {"cut": "failed", "torn": "failed", "steady": "made", "keyed": "made", "vfr": "made"}
    assert not list(out.glob("torn*")) + list(out.glob("cut*"))


def test_two_videos_of_one_name_are_refused(videos: Path, tmp_path: Path) -> None:
    write(videos / "steady.mkv", np.arange(5) / 10)
    report = split_videos(videos, tmp_path / "pieces", 1.0)
    assert report.counts["failed"] == 2
    assert {problem.code for problem in report.problems} == {"doubled-name"}


def test_what_makes_no_pieces_is_refused_before_anything(videos: Path, tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="another folder than that of the videos"):
        split_videos(videos, videos, 1.0)
    with pytest.raises(SchemaError, match=r"at least 0\.001"):
        split_videos(videos, tmp_path / "pieces", 0.0)
    with pytest.raises(StorageError, match="no such file"):
        split_videos(tmp_path / "nowhere", tmp_path / "pieces", 1.0)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UnknownFormatError, match="expected videos, found none"):
        split_videos(tmp_path / "empty", tmp_path / "pieces", 1.0)
    assert not (tmp_path / "pieces").exists()


def test_the_verb(inside: Inside, videos: Path) -> None:
    done = inside("convert", videos, "pieces", "--split-every", "1.5s")
    assert done.returncode == 0, done.stderr
    assert "each in one piece" in done.stdout
    told = json.loads(inside("convert", videos, "pieces", "--split-every", "1.5", "--json").stdout)
    assert told["counts"]["kept"] == 3
    done = inside("convert", videos, "pieces", "--split-every", "soon")
    assert (done.returncode, "expected seconds, as 40s, got 'soon'" in done.stderr) == (2, True)
    done = inside("convert", videos, "pieces", "--split-every", "1", "--to", "zarr")
    assert (done.returncode, "none of the other options" in done.stderr) == (2, True)


def test_a_piece_has_a_frame() -> None:
    with pytest.raises(SchemaError, match="frames"):
        Piece(name="a_000.mp4", first_frame=0, frames=0, start_s=0.0, end_s=1.0, how="copied")

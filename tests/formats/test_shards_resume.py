"""Shards that go on where a writer was stopped: the same bytes, whatever was left and whatever became of it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.errors import CorruptDataError, LapsWarning
from lapsdata.formats.shards_webdataset import ShardsFolder, ShardsWriter
from lapsdata.testing.contracts import content_of
from lapsdata.testing.samples import sample_provenance, sample_tracks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lapsdata.containers import Tracks
    from lapsdata.formats import WriteReport

MADE = sample_provenance()
# The second has times of 17 digits: its JSON is longer than that of the first.
CLIPS = (
    sample_tracks(windows=7, seed=1),
    sample_tracks(windows=9, seed=2, rate=None),
    sample_tracks(windows=4, seed=3),
)
WINDOWS = sum(len(clip) for clip in CLIPS)


def write(
    out: Path, *, stop: int = WINDOWS + 1, clips: tuple[Tracks, ...] = CLIPS, block: int = 3, **settings: Any
) -> tuple[WriteReport | None, int]:
    """Write clips by blocks, Ctrl-C after some windows; return the report, and how many windows were put in."""
    put = 0
    with contextlib.suppress(KeyboardInterrupt), ShardsWriter(out, samples_per_shard=3, **settings) as writer:
        for number, clip in enumerate(clips):
            there = writer.begin(clip.header, clip.start_index, clip.frame_s, clip.source_index)
            for first in range(there, len(clip), block):
                rows = slice(first, first + block)
                tracks, vis = ({v: a[rows] for v, a in arrays.items()} for arrays in (clip.tracks, clip.vis))
                writer.append(tracks, vis, largest_error_px=0.6 / (number + 1))
                put += len(next(iter(vis.values())))
                if put >= stop:
                    raise KeyboardInterrupt
        return writer.finish(MADE), put
    return None, put


def hidden(folder: Path) -> Path:
    (found,) = [item for item in folder.iterdir() if item.is_dir() and item.name.startswith(".lapsdata-tmp-")]
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("whole") / "a.shards"
    report, put = write(out)
    assert report is not None
    assert (put, report.notes, report.largest_error_px) == (WINDOWS, (), 0.6)
    return content_of(out)


@settings(max_examples=15)
@given(stops=st.lists(st.integers(1, WINDOWS), max_size=3), blocks=st.lists(st.integers(1, 10), min_size=4, max_size=4))
def test_stopped_anywhere_any_number_of_times_the_bytes_are_the_same(
    stops: list[int], blocks: list[int], whole: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    out = tmp_path_factory.mktemp("stopped") / "a.shards"
    kept = 0
    for stop, block in zip(stops, blocks, strict=False):
        report, put = write(out, stop=stop, block=block, resume="these clips")
        if report is not None:
            break
        kept = (kept + put) // 3 * 3
    else:
        report, put = write(out, block=blocks[-1], resume="these clips")
        assert put == WINDOWS - kept
    assert report is not None
    assert content_of(out) == whole
    assert [item.name for item in out.parent.iterdir()] == ["a.shards"]
    assert report.largest_error_px == 0.6


def test_what_was_there_is_told(tmp_path: Path, whole: dict[str, bytes]) -> None:
    write(tmp_path / "a.shards", stop=12, resume="k")
    report, put = write(tmp_path / "a.shards", resume="k")
    assert report is not None
    assert [(note.code, note.severity) for note in report.notes] == [("went-on", "info")]
    assert report.notes[0].message.startswith(f"{WINDOWS - put} of {WINDOWS} windows, in 4 whole archives")
    assert report.largest_error_px == 0.6
    assert content_of(tmp_path / "a.shards") == whole


def test_whole_videos_go_on_too(tmp_path: Path, whole: dict[str, bytes]) -> None:
    write(tmp_path / "a.shards", stop=12, resume="k")
    with ShardsWriter(tmp_path / "a.shards", samples_per_shard=3, resume="k") as writer:
        for clip in CLIPS:
            writer.add(clip)
        writer.finish(MADE)
    assert content_of(tmp_path / "a.shards") == whole


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


DAMAGE: dict[str, tuple[Callable[[Path], object], int]] = {
    "nothing": (lambda _: None, 12),
    "a bit of an archive": (lambda at: flip(at / "shard-000002.tar"), 6),
    "an archive cut": (lambda at: (at / "shard-000001.tar").write_bytes(b""), 3),
    "an archive gone": (lambda at: (at / "shard-000003.tar").unlink(), 9),
    "rows cut": (lambda at: (at / "part-000001.parquet").write_bytes(b"PAR1"), 3),
    "rows gone": (lambda at: (at / "part-000000.parquet").unlink(), 0),
    "rows of another archive": (
        lambda at: (at / "part-000002.parquet").write_bytes((at / "part-000001.parquet").read_bytes()),
        6,
    ),
    "something else": (lambda at: (at / "shard-000099.tar").write_text("mine"), 12),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_archives_that_are_not_as_they_were_written_are_made_again(
    what: str, tmp_path: Path, whole: dict[str, bytes]
) -> None:
    write(tmp_path / "a.shards", stop=13, resume="k")
    damage, kept = DAMAGE[what]
    damage(hidden(tmp_path))
    report, put = write(tmp_path / "a.shards", resume="k")
    assert report is not None
    assert WINDOWS - put == kept
    # Four archives were written down as whole; of one without its rows nobody knows.
    made_again = {"nothing": 0, "something else": 0, "rows gone": 3}.get(what, 4 - kept // 3)
    assert [(note.code, note.severity) for note in report.notes] == [
        *([("went-on", "info")] if kept else []),
        *([("went-on-anew", "warning")] if made_again else []),
    ]
    if made_again:
        assert report.notes[-1].message.startswith(f"{made_again} more archives that a writer which was stopped had")
        assert f"shard-{kept // 3:06d}.tar or its rows" in report.notes[-1].message
    assert content_of(tmp_path / "a.shards") == whole


def test_the_archives_of_other_work_are_not_taken(tmp_path: Path, whole: dict[str, bytes]) -> None:
    others = tuple(sample_tracks(windows=len(clip), seed=9, rate=clip.header.rate) for clip in CLIPS)
    write(tmp_path / "a.shards", stop=12, clips=others, resume="others")
    report, put = write(tmp_path / "a.shards", resume="these")
    assert (put, report and report.notes) == (WINDOWS, ())
    assert content_of(tmp_path / "a.shards") == whole


def test_windows_of_another_time_are_never_mixed_with_those_that_stand_there(tmp_path: Path) -> None:
    write(tmp_path / "a.shards", stop=12, resume="k")
    late = CLIPS[0]
    late = type(late)(late.header, late.tracks, late.vis, late.start_index, late.frame_s + 1.0)
    with (
        pytest.raises(CorruptDataError, match=r"video 0: expected the first windows of 'clip_0' as an earlier"),
        ShardsWriter(tmp_path / "a.shards", samples_per_shard=3, resume="k") as writer,
    ):
        writer.begin(late.header, late.start_index, late.frame_s)
    assert list(tmp_path.iterdir()) == []


def test_a_writer_that_is_left_unfinished_leaves_nothing(tmp_path: Path) -> None:
    with (
        pytest.warns(LapsWarning, match="nothing was written: the writer was not finished"),
        ShardsWriter(tmp_path / "a.shards", samples_per_shard=3, resume="k") as writer,
    ):
        writer.add(CLIPS[0])
    assert list(tmp_path.iterdir()) == []


def test_what_went_on_reads_as_what_was_written(tmp_path: Path) -> None:
    write(tmp_path / "a.shards", stop=8, resume="k")
    write(tmp_path / "a.shards", resume="k")
    folder = ShardsFolder(tmp_path / "a.shards")
    assert all(folder.tracks(number).equals(clip) for number, clip in enumerate(CLIPS))
    assert np.array_equal(folder.index("tracks").offset % 64, np.zeros(WINDOWS))

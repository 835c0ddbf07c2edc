"""The times of frames found anew: the JSON of each sample says when each frame of its window was.

What no window shows has no time any more: frames behind the last window, and those between windows that lie apart. A
frame is known by its number, so what follows such a gap is left out, though its own times are known. Which frame of the
source a time on a grid stands for is in no sample.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata._repair._report import NAMED
from lapsdata.errors import CorruptDataError, LapsError, Problem, listed
from lapsdata.formats._shards_sample import sample_key, sample_record
from lapsdata.formats._shards_tables import NOT_RESAMPLED, FrameTable
from lapsdata.formats._shards_writer import FRAMES
from lapsdata.storage.atomic import storage_errors
from lapsdata.storage.tar_headers import BLOCK, padding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from lapsdata.formats._shards_tables import SampleTable
    from lapsdata.schema.shards import ShardSample, ShardsManifest

__all__ = ["FROM_A_COPY", "found_frames", "notes_on_frames"]

FROM_A_COPY = f"take {FRAMES} from a copy and run it again, or make the shards anew from their tracks"
"""What gives back the times that no sample says."""


def found_frames(path: Path, manifest: ShardsManifest, samples: SampleTable) -> FrameTable:
    """Return the times of the frames of each video, from the first on up to the first that no sample says.

    Of a video whose times are a grid laid over its source there are none.

    Parameters
    ----------
    path : Path
    manifest : ShardsManifest
    samples : SampleTable
        Which JSON is that of which window, and where it lies; the arrays need not be sound.

    Raises
    ------
    CorruptDataError
        Two samples say different times of a frame.
    """
    horizon, most = manifest.videos[0].horizon, manifest.frames.rows
    lengths = np.zeros(len(manifest.videos), np.int64)
    known = (samples.start_index >= 0) & (samples.start_index + horizon <= most)
    np.maximum.at(lengths, samples.video[known], samples.start_index[known] + horizon)
    lengths[[header.resampled for header in manifest.videos]] = 0
    times = [np.full(length, np.nan) for length in lengths.tolist()]
    for row, told in _records(path, manifest, samples):
        seconds, video, start = np.array(told.step_s), int(samples.video[row]), told.start_index
        line = times[video][start : start + horizon]
        if len(line) != len(seconds):
            continue
        if ((line != seconds) & ~np.isnan(line)).any():
            message = "expected samples that agree on the time of each frame, got two that do not"
            raise CorruptDataError(Problem("times-disagree", f"{path}: {told.key}.json", message, FROM_A_COPY))
        line[:] = seconds
    ends = [int(np.append(np.isnan(line), True).argmax()) for line in times]
    frame_s = np.concatenate([line[:end] for line, end in zip(times, ends, strict=True)])
    of = np.repeat(np.arange(len(times), dtype=np.int32), ends)
    return FrameTable(of, frame_s, np.full(len(frame_s), NOT_RESAMPLED, np.int64))


def _records(path: Path, manifest: ShardsManifest, samples: SampleTable) -> Iterator[tuple[int, ShardSample]]:
    """Yield the JSON of the samples where it is as it was sealed, and that of the sample that should be there."""
    for number, shard in enumerate(manifest.shards):
        rows = np.flatnonzero((samples.shard == number) & (samples.length > 0)).tolist()
        try:
            with storage_errors(path / shard.name, "open"), (path / shard.name).open("rb") as file:
                for row in rows:
                    told = _record(file, samples, row, str(path / shard.name))
                    if told is not None:
                        yield row, told
        except LapsError:
            continue  # whoever looks at its arrays says what is wrong with the archive


def _record(file: BinaryIO, samples: SampleTable, row: int, where: str) -> ShardSample | None:
    """Read the JSON of a sample, its last member; None where it is damaged, or not that of this sample."""
    ends = [int(lies.offset[row] + lies.length[row]) for lies in samples.fields.values()]
    begin, end = max(ends) + padding(max(ends)), int(samples.offset[row] + samples.length[row])
    file.seek(begin)
    data = file.read(max(0, end - begin))
    # Behind the headers of the archive, which are whole blocks as well.
    at = next((at for at in range(0, len(data), BLOCK) if data[at : at + 1] == b"{"), len(data))
    try:
        told = sample_record(data[at:], where)
    except LapsError:
        return None  # the times of its frames may stand in its neighbours
    sums = {name: int(one.crc32c, 16) for name, one in told.arrays.items()}
    sealed = {name: int(lies.crc32c[row]) for name, lies in samples.fields.items()}
    key = sample_key(int(samples.video[row]), int(samples.window[row]))
    is_it = (told.key, told.start_index, told.start_s) == (key, samples.start_index[row], samples.start_s[row])
    return told if is_it and sums == sealed else None


def notes_on_frames(manifest: ShardsManifest, found: FrameTable, unplaced: Sequence[int], why: str) -> list[Problem]:
    """Say what is known of the times, what is not, and what to do about that.

    Parameters
    ----------
    manifest : ShardsManifest
    found : FrameTable
    unplaced : sequence of int
        Of each video, how many of its windows show frames whose times are not known.
    why : str
        What is wrong with the table.
    """
    known, videos = np.bincount(found.video, minlength=len(manifest.videos)), manifest.videos
    count = f"{len(found.video):,} of its {manifest.frames.rows:,} times were found anew by the JSON of each sample"
    message = f"it is missing or damaged ({why}), and {count}"
    notes = [Problem("frames-damaged", FRAMES, message, severity="warning")]
    grids = [header.video.name for header in videos if header.resampled]
    if grids:
        message = "were resampled, and which frame of the source stands for each time is in no sample"
        notes.append(Problem("source-index-lost", listed(grids, NAMED), message, FROM_A_COPY, "warning"))
    gaps = [v for v, count in enumerate(unplaced) if count and not videos[v].resampled]
    if gaps:
        message = (
            f"no sample says the time of frame {known[gaps[0]]} of {videos[gaps[0]].video.name}: "
            f"{sum(unplaced[v] for v in gaps)} windows show such frames, or stand behind them"
        )
        named = listed([videos[v].video.name for v in gaps], NAMED)
        notes.append(Problem("times-lost", named, message, FROM_A_COPY, "warning"))
    return notes + _uncovered(manifest, [v for v in range(len(videos)) if not unplaced[v]])


def _uncovered(manifest: ShardsManifest, placed: Sequence[int]) -> list[Problem]:
    """Count the frames that no window has shown, of videos whose windows are all there."""
    count = sum(manifest.videos[video].uncovered_frames for video in placed)
    if not count:
        return []
    message = f"{count:,} frames at the end of videos, which no window covers, have lost their times and are left out"
    return [Problem("uncovered-lost", FRAMES, message, FROM_A_COPY, "warning")]

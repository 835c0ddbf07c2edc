"""Whether the videos of episodes open, are what the data set says, and show every row; nothing is decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.errors import LapsError, Problem, SchemaError, spans_told
from lapsdata.loading._frame_videos import nearest_frames
from lapsdata.loading._row_frames import frame_tolerance_s
from lapsdata.timebase import TIME_TOLERANCE_S, not_rising
from lapsdata.video.probe import probe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.checks.shared_faults import SharedFaults
    from lapsdata.containers import Episodes
    from lapsdata.schema import Camera
    from lapsdata.storage.episode_rows import EpisodeRows
    from lapsdata.video.facts import VideoFacts

__all__ = ["SeenEpisode", "begins_after", "check_videos", "frames_of", "row_times", "seen_files"]

_CODECS = {
    "avc1": "h264",
    "avc": "h264",
    "libx264": "h264",
    "h265": "hevc",
    "libx265": "hevc",
    "libsvtav1": "av1",
    "libaom-av1": "av1",
    "libdav1d": "av1",
    "av01": "av1",
    "mp4v": "mpeg4",
}
"""Names of encoders, decoders and boxes, and the codec that is meant."""


class SeenEpisode(NamedTuple):
    """An episode and the video that shows it.

    Parameters
    ----------
    place : int
    offset_s : float
        By how much its rows are later than its frames, seconds.
    """

    place: int
    offset_s: float


def check_videos(root: Path, episodes: Episodes, rows: EpisodeRows, faults: SharedFaults) -> tuple[int, list[Problem]]:
    """Read the packets of every video, and note what is wrong with it.

    Parameters
    ----------
    root : Path
    episodes : Episodes
    rows : EpisodeRows
        Of these.
    faults : SharedFaults
        What is found of episodes is added to it.

    Returns
    -------
    int
        Videos that could be opened.
    list of Problem
        What is told of a whole camera: by how much its frames and its rows differ in time.
    """
    opened = 0
    told: dict[str, list[SeenEpisode]] = {}
    for camera in episodes.header.cameras:
        for path, places in seen_files(root, episodes, camera.name):
            numbers = episodes.number[places].tolist()
            try:
                facts = probe(path)
            except LapsError as error:
                faults.refused(numbers, camera.name, error)
                continue
            opened += 1
            where = f"{root}: {camera.name}"
            for number in numbers:
                _compare(where, number, camera, facts, faults)
            told.setdefault(camera.name, []).extend(_shown_rows(where, episodes, rows, camera, facts, places, faults))
    return opened, list(_offsets(root, episodes, told))


def seen_files(root: Path, episodes: Episodes, camera: str) -> Iterator[tuple[Path, NDArray[np.int64]]]:
    """Yield every video of a camera with the places of the episodes that it shows, in order of their time in it."""
    index = episodes.video_index.get(camera)
    if index is None:
        return
    order = np.lexsort((episodes.video_start_s[camera], index))
    order = order[index[order] >= 0]
    for places in np.split(order, np.flatnonzero(np.diff(index[order])) + 1) if len(order) else ():
        yield root / episodes.video_files[int(index[places[0]])], places


def begins_after(episodes: Episodes, camera: str, places: NDArray[np.int64]) -> list[float]:
    """Return where the next episode begins in their video, seconds, of episodes in order of their time in it.

    Infinite of the last one.
    """
    start_s = episodes.video_start_s[camera][places]
    after = np.searchsorted(start_s, start_s, "right")
    return np.append(start_s, np.inf)[after].tolist()  # type: ignore[no-any-return]  # a list of floats


def frames_of(
    facts: VideoFacts, start_s: float, span_s: float, step_s: float, *, following_s: float, alone: bool
) -> tuple[int, int]:
    """Return the first frame of an episode in its video, and how many there are.

    They are all of a video that shows it alone from the beginning on; what it shows before it, or from `following_s`
    seconds on, belongs to another.
    """
    if alone and start_s < step_s / 2:
        return 0, facts.frames
    stop_s = min(start_s + span_s + step_s / 2, following_s - step_s / 2)
    first, stop = np.searchsorted(facts.frame_s, [start_s - step_s / 2, stop_s])
    return int(first), max(int(stop - first), 0)


def row_times(episodes: Episodes, rows: EpisodeRows, place: int) -> NDArray[np.float64]:
    """Return the times of the rows of an episode, float64 (R,) seconds; by their rate where they carry none.

    Raises
    ------
    LapsError
        They cannot be read, or do not rise.
    """
    name = episodes.header.time
    if name is None:
        return np.arange(int(episodes.rows[place]), dtype=np.float64) * episodes.header.rate.period_s
    stored = rows.read(place, [name])[name]
    if (message := not_rising(stored)) is not None:
        raise SchemaError(Problem("times-not-rising", f"episode {int(episodes.number[place])}: {name}", message))
    found: NDArray[np.float64] = stored.astype(np.float64)
    return found


def _compare(where: str, number: int, camera: Camera, facts: VideoFacts, faults: SharedFaults) -> None:
    """Compare a video with what is said of the camera."""
    stated = None if camera.codec is None else _CODECS.get(camera.codec.lower(), camera.codec.lower())
    if stated not in (None, _CODECS.get(facts.codec, facts.codec)):
        message = f"info says the codec {camera.codec}, and the video is {facts.codec}"
        faults.add(number, "codec-differs", where, message, f"write {facts.codec}", "warning")
    size = facts.size
    if camera.size is not None and (camera.size.width, camera.size.height) != (size.width, size.height):
        message = (
            f"info says {camera.size.width} x {camera.size.height} pixel, and the video has {size.width} x "
            f"{size.height}"
        )
        faults.add(number, "size-differs", where, message, "write the size of the video", "warning")
    if camera.rate is not None and facts.rate != camera.rate and facts.frames > 1:
        got = "no constant rate" if facts.rate is None else f"{facts.rate}"
        message = f"info says {camera.rate} frames per second, and the video has {got}"
        faults.add(number, "rate-differs", where, message, "write the rate of the video", "warning")


def _shown_rows(
    where: str,
    episodes: Episodes,
    rows: EpisodeRows,
    camera: Camera,
    facts: VideoFacts,
    places: NDArray[np.int64],
    faults: SharedFaults,
) -> Iterator[SeenEpisode]:
    """Compare frames and rows of the episodes of one video in number and time."""
    step = episodes.header.rate.period_s
    following = begins_after(episodes, camera.name, places)
    for place, following_s in zip(places.tolist(), following, strict=True):
        number, count = int(episodes.number[place]), int(episodes.rows[place])
        try:
            times = row_times(episodes, rows, place)
        except LapsError:
            continue  # told with the rows
        start_s = float(episodes.video_start_s[camera.name][place])
        span_s, alone = float(times[-1] - times[0]), len(places) == 1
        first, frames = frames_of(facts, start_s, span_s, step, following_s=following_s, alone=alone)
        if frames < count:
            message = f"expected a frame for each of {count} rows, got {frames}"
            fix = "record the video again, or leave out the rows without a frame"
            faults.add(number, "fewer-frames", where, message, fix)
            continue
        if frames > count:
            message = f"expected a frame for each of {count} rows, got {frames}: the last ones belong to no row"
            faults.add(number, "more-frames", where, message, "see whether rows were lost", "warning")
        apart = times - (facts.frame_s[first : first + count] - start_s)
        offset = float(np.median(apart))
        bare = _without_frame(times, facts.frame_s - start_s)
        if np.abs(apart - offset).max() > TIME_TOLERANCE_S and bare.any():
            at = int(np.argmax(bare))
            message = (
                f"expected a frame at the time of each of {count} rows, got none for {int(bare.sum())}, first of row "
                f"{at} at {times[at]:.4g} s"
            )
            fix = "encode the video at the rate of the rows, or with a frame at the time of each"
            faults.add(number, "rows-without-frame", where, message, fix)
        elif np.abs(apart - offset).max() > TIME_TOLERANCE_S:
            at = int(np.argmax(np.abs(apart - offset)))
            message = (
                f"expected rows and frames to go on together, got row {at} "
                f"{abs(apart[at] - offset):.4g} s {'behind' if apart[at] > offset else 'before'} its frame"
            )
            fix = "take frames by their times, and not by their numbers"
            faults.add(number, "frames-off-rows", where, message, fix, "warning")
        elif frames == count:
            yield SeenEpisode(place, offset)


def _without_frame(times: NDArray[np.float64], frame_s: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Say which rows have no frame at their time, as samples take frames: bool (R,)."""
    apart = np.abs(frame_s[nearest_frames(frame_s, times)] - times)
    away: NDArray[np.bool_] = apart > max(frame_tolerance_s(frame_s), TIME_TOLERANCE_S)
    return away


def _offsets(root: Path, episodes: Episodes, told: dict[str, list[SeenEpisode]]) -> Iterator[Problem]:
    """Tell by how much rows are later than their frames, where they are."""
    late: dict[str, float] = {}
    for camera, seen in told.items():
        apart = np.array([one.offset_s for one in seen])
        if not len(apart) or np.abs(apart).max() <= TIME_TOLERANCE_S:
            continue
        if np.ptp(apart) <= TIME_TOLERANCE_S:
            late[camera] = float(np.median(apart))
            continue
        numbers = [int(episodes.number[one.place]) for one in seen if abs(one.offset_s) > TIME_TOLERANCE_S]
        message = (
            f"expected rows and frames to begin together, got rows {apart.min():+.3f} to {apart.max():+.3f} s "
            f"behind their frames; in {len(numbers)} episodes: {spans_told(numbers)}"
        )
        fix = "write times from the first frame on"
        yield Problem("time-offset-varies", f"{root}: {camera}", message, fix, "warning")
    for value in dict.fromkeys(round(one, 4) for one in late.values()):
        names = ", ".join(camera for camera, one in late.items() if round(one, 4) == value)
        message = (
            f"rows are {value:+.4g} s behind their frames in every episode, and there are as many: row i is frame i, "
            f"and its time minus {value:.4g} s that of the frame"
        )
        yield Problem("time-offset", f"{root}: {names}", message, "write times from 0 on", "info")

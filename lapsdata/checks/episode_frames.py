"""Whether the frames of episodes can be decoded, and show the motion of their rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lapsdata.checks.episode_videos import begins_after, frames_of, row_times, seen_files
from lapsdata.checks.frame_lag import Motion, estimate_lag, joint_speed, picture_motion
from lapsdata.errors import LapsError, Problem
from lapsdata.video.reader import open_video

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from lapsdata.checks.shared_faults import SharedFaults
    from lapsdata.containers import Episodes
    from lapsdata.storage.episode_rows import EpisodeRows
    from lapsdata.video.reader import VideoReader

__all__ = ["check_frames"]

_STATES = ("observation.state", "obs/joint_pos", "obs/robot0_joint_pos", "observations/qpos")
"""Columns that tell where joints are, in the words of LeRobot, Isaac Lab, robomimic and ACT."""


def check_frames(root: Path, episodes: Episodes, rows: EpisodeRows, faults: SharedFaults) -> tuple[int, list[Problem]]:
    """Decode every video, and estimate by how many rows its frames are late.

    Parameters
    ----------
    root : Path
    episodes : Episodes
    rows : EpisodeRows
        Of these.
    faults : SharedFaults
        Videos that cannot be decoded are added to it.

    Returns
    -------
    int
        Frames that were decoded.
    list of Problem
        What is told of each camera: `frame-lag`, or why it is not known.
    """
    names = {feature.name for feature in episodes.header.features}
    state = next((name for name in _STATES if name in names), None)
    decoded, told = 0, []
    for camera in episodes.video_index:
        motions: list[Motion] = []
        for path, places in seen_files(root, episodes, camera):
            numbers = episodes.number[places].tolist()
            try:
                with open_video(path, pixels="gray") as video:
                    change = picture_motion(_counted(video))
                    facts = video.facts
            except LapsError as error:
                faults.refused(numbers, f"{camera}: frames", error)
                continue
            decoded += facts.frames
            following = begins_after(episodes, camera, places)
            for place, following_s in zip(places.tolist(), following, strict=True) if state is not None else ():
                try:
                    times = row_times(episodes, rows, place)
                    speed = joint_speed(_flat(rows.read(place, [str(state)])[str(state)]))
                except LapsError:
                    continue  # told with the rows
                start_s, step = float(episodes.video_start_s[camera][place]), episodes.header.rate.period_s
                span_s, alone = float(times[-1] - times[0]), len(places) == 1
                first, frames = frames_of(facts, start_s, span_s, step, following_s=following_s, alone=alone)
                both = max(min(frames - 1, len(speed)), 0)
                motions.append(Motion(change[first : first + both], speed[:both]))
        told.append(_told(f"{root}: {camera}", motions, state, round(episodes.header.rate.hz)))
    return decoded, told


def _counted(video: VideoReader) -> Iterator[NDArray[np.uint8]]:
    return (frame.image for frame in video.frames())


def _flat(values: NDArray[Any]) -> NDArray[Any]:
    return values.reshape(len(values), -1)


def _told(where: str, motions: list[Motion], state: str | None, most: int) -> Problem:
    unknown = "whether frames lag behind rows is not known"
    if state is None:
        message = f"{unknown}: no column tells where joints are ({', '.join(_STATES)})"
        return Problem("lag-unknown", where, message, None, "info")
    found = estimate_lag(motions, most)
    if found is None:
        message = f"{unknown}: no episode of 21 rows and more in which something moves"
        return Problem("lag-unknown", where, message, None, "info")
    said = (
        f"pictures change as {state} does {found.rows} rows before (rank correlation {found.correlation:.2f}; "
        f"{found.at_zero:.2f} at the same row; {found.episodes} episodes, 98 % of draws {found.least} to {found.most})"
    )
    if not found.known:
        return Problem("lag-unknown", where, f"{unknown}: {said}", None, "info")
    if not found.clear:
        begin = "frames lag by no row" if found.rows == 0 else "no lag between frames and rows is clear"
        return Problem("frame-lag", where, f"{begin}: {said}", None, "info")
    late = f"{abs(found.rows)} rows {'late' if found.rows > 0 else 'early'}"
    message = f"expected frames of their rows, got frames that are {late}: {said}"
    fix = "shift the frames or the rows, or find out what delays them"
    return Problem("frame-lag", where, message, fix, "warning")

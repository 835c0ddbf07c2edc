"""Small files of demonstrations, written with plain h5py as robomimic and ACT lay them out: all values are known.

They are what other programs write: nothing of the reader of `lapsdata` is used.
"""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.testing.episode_sets import drawn_frame, episode_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["drawn_jpeg", "write_act", "write_robomimic"]


def write_robomimic(
    path: Path,
    *,
    lengths: Sequence[int] = (4, 6, 5),
    numbers: Sequence[int] | None = None,
    env_args: dict[str, Any] | None = None,
    images: bool = False,
) -> Path:
    """Write demonstrations and return the path: rows of `episode_rows`, pixels of `drawn_frame`.

    Parameters
    ----------
    path : Path
        A file that is not there yet.
    lengths : sequence of int
        Rows of each demonstration.
    numbers : sequence of int, optional
        Of the demonstrations; from 0 by default.
    env_args : dict, optional
        With `control_freq` 10 by default.
    images : bool
        Whether there is a camera, `obs/top_image`.

    Examples
    --------
    >>> import h5py, pathlib, tempfile
    >>> path = write_robomimic(pathlib.Path(tempfile.mkdtemp()) / "demo.hdf5")
    >>> with h5py.File(path) as file:
    ...     sorted(file["data/demo_1"]), file["data/demo_1/obs/joint_pos"][2].tolist()
    (['actions', 'dones', 'initial_state', 'obs', 'rewards'], [1.0, 2.0, 3.0])
    """
    import h5py

    numbers = range(len(lengths)) if numbers is None else numbers
    told = {"env_name": "Drawn", "type": 1, "env_kwargs": {"control_freq": 10, "robots": "Panda"}}
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["total"] = sum(lengths)
        data.attrs["env_args"] = json.dumps(told if env_args is None else env_args)
        for at, (number, row) in enumerate(zip(numbers, episode_rows(lengths), strict=True)):
            demo = data.create_group(f"demo_{number}")
            demo.attrs["num_samples"] = lengths[at]
            demo.attrs["success"] = at != 1
            demo["actions"] = row.columns["action"]
            demo["rewards"] = row.columns["next.reward"]
            demo["dones"] = row.columns["next.reward"] > 0
            demo["obs/joint_pos"] = row.columns["observation.state"]
            demo["initial_state/joint_pos"] = row.columns["observation.state"][:1]
            if images:
                demo["obs/top_image"] = np.stack([drawn_frame(at, one) for one in range(lengths[at])])
        names = [f"demo_{number}" for number in numbers]
        file["mask/train"] = np.array(names[:-1], "S8")
        file["mask/valid"] = np.array(names[-1:], "S8")
    return path


def write_act(
    folder: Path,
    *,
    lengths: Sequence[int] = (4, 6, 5),
    compress: bool = False,
    attributes: dict[str, Any] | None = None,
) -> Path:
    """Write episodes and return their folder: rows of `episode_rows`, frames of `drawn_frame`.

    Parameters
    ----------
    folder : Path
        One that is not there yet.
    lengths : sequence of int
        Rows of each episode.
    compress : bool
        Whether the camera `top` is stored as JPEG, filled up with zeros to the length of the longest.
    attributes : dict, optional
        Others than `sim` and `compress`.

    Examples
    --------
    >>> import h5py, pathlib, tempfile
    >>> folder = write_act(pathlib.Path(tempfile.mkdtemp()) / "set", compress=True)
    >>> with h5py.File(folder / "episode_0.hdf5") as file:
    ...     file["observations/images/top"].shape[0], file["compress_len"].shape
    (4, (1, 4))
    """
    import h5py

    folder.mkdir()
    for number, row in enumerate(episode_rows(lengths)):
        frames = [drawn_frame(number, one) for one in range(lengths[number])]
        with h5py.File(folder / f"episode_{number}.hdf5", "w") as file:
            file.attrs["sim"] = False
            file.attrs["compress"] = compress
            file.attrs.update(attributes or {})
            file["action"] = row.columns["action"]
            file["observations/qpos"] = row.columns["observation.state"]
            file["observations/qvel"] = row.columns["observation.state"] * 0
            if compress:
                images = [drawn_jpeg(frame) for frame in frames]
                longest = max(map(len, images))
                padded = [np.frombuffer(image.ljust(longest, b"\0"), np.uint8) for image in images]
                file["observations/images/top"] = np.stack(padded)
                file["compress_len"] = np.array([[len(image) for image in images]], np.float32)
            else:
                file["observations/images/top"] = np.stack(frames)
    return folder


def drawn_jpeg(frame: NDArray[np.uint8]) -> bytes:
    """Return a frame as the bytes of a JPEG.

    Examples
    --------
    >>> drawn_jpeg(drawn_frame(0, 0))[-2:].hex()
    'ffd9'
    """
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mjpeg") as output:
        stream = output.add_stream("mjpeg", rate=1)
        stream.height, stream.width, stream.pix_fmt = frame.shape[0], frame.shape[1], "yuvj420p"
        output.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        output.mux(stream.encode(None))
    return buffer.getvalue()

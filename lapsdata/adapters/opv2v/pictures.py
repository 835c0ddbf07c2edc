"""Pictures of OPV2V: colours as PNG, and depth beside them as CARLA codes it, or as `.npy`."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lapsdata.errors import CorruptDataError, LapsError, Problem
from lapsdata.geometry import carla_depth
from lapsdata.storage.atomic import storage_errors
from lapsdata.storage.npy_errors import npy_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lapsdata.adapters.opv2v.layout import AgentFolder

__all__ = ["FAR_M", "SKY", "picture_size", "png_size", "read_depth", "read_png"]

FAR_M = 1000.0
"""What CARLA's depth reaches to; where there is nothing, which is the sky, it says this."""

SKY = -1.0
"""Depth of the sky: below 0, which is what models take for ambiguous, and not 0, which is what nobody knows."""

_COPY = "copy or download it again"
_BEGIN, _END = b"\x89PNG\r\n\x1a\n", b"\x00\x00\x00\x00IEND\xaeB`\x82"
_GRAY, _RGB, _RGBA = 0, 2, 6
_COLOURS = {_GRAY: "gray", _RGB: "RGB", 3: "palette", 4: "gray with opacity", _RGBA: "RGBA"}
# Signature, length and name of the first chunk, its 13 bytes and its checksum.
_HEAD = 8 + 8 + 13 + 4


class _Sides(NamedTuple):
    width: int
    height: int


def png_size(path: Path) -> _Sides:
    """Return width and height of a PNG by its first bytes, after a look at its last ones.

    Parameters
    ----------
    path : Path

    Raises
    ------
    StorageError
        It is not there, or may not be read.
    CorruptDataError
        It is empty (`empty-file`), no PNG or one whose size is damaged (`not-png`), or cut off (`cut-off`).
    """
    with storage_errors(path, "read"), path.open("rb") as file:
        head = file.read(_HEAD)
        size = file.seek(0, 2)
        file.seek(max(0, size - len(_END)))
        tail = file.read()
    return _sides(path, head, tail)


def picture_size(folder: AgentFolder, camera: str, numbers: Sequence[float]) -> tuple[int, int]:
    """Return width and height of the pictures of a camera: those of the first whole one.

    Where there is none, the picture is taken to be twice as large as the middle that the intrinsic tells.

    Parameters
    ----------
    folder : AgentFolder
    camera : str
    numbers : sequence of float
        What the yaml of a frame says of the camera; see `CAMERA_NUMBERS`.
    """
    for stem in folder.stems:
        name = f"{stem}_{camera}.png"
        if name in folder.files:
            try:
                sides = png_size(Path(folder.path, name))
            except LapsError:
                continue  # told where it is read
            return sides.width, sides.height
    return max(1, round(2 * numbers[24])), max(1, round(2 * numbers[27]))


def read_png(path: Path) -> NDArray[np.uint8]:
    """Return a picture: uint8 (H, W, 3) RGB.

    Parameters
    ----------
    path : Path

    Raises
    ------
    StorageError, CorruptDataError
        As `png_size`, or it cannot be decoded (`not-decoded`).
    """
    return _decoded(path, _png_bytes(path))


def _png_bytes(path: Path) -> bytes:
    with storage_errors(path, "read"):
        data = path.read_bytes()
    _sides(path, data[:_HEAD], data[-len(_END) :])
    return data


def _decoded(path: Path, data: bytes) -> NDArray[np.uint8]:
    import cv2

    image: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise CorruptDataError(Problem("not-decoded", str(path), "expected a picture, got bytes of none", _COPY))
    rgb: Any = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    found: NDArray[np.uint8] = rgb
    return found


def read_depth(path: Path) -> NDArray[np.float32]:
    """Return depth along the axis of the camera: float32 (H, W), metre, 0 where it is not known, -1 for the sky.

    Parameters
    ----------
    path : Path
        `.npy` with float numbers in metres, which have no mark for the sky; or `.png` of 8-bit RGB or RGBA as
        `lapsdata.geometry.carla_depth` has it, of which 1000 m (all bytes 255) is the sky.

    Raises
    ------
    StorageError, CorruptDataError
        As `read_png`; a PNG of another kind, in which CARLA has no code (`wrong-depth`); of `.npy` another array, or
        numbers that are negative or not finite.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "000069_camera0_depth.npy"
    >>> np.save(path, np.array([[0.0, 2.5]], np.float32))
    >>> read_depth(path).tolist()
    [[0.0, 2.5]]
    """
    if path.suffix == ".png":
        data = _png_bytes(path)
        _expect_code(path, bits=data[24], colours=data[25])
        metres = carla_depth(_decoded(path, data))
        return np.where(metres < FAR_M, metres, SKY).astype(np.float32)
    with storage_errors(path, "read"):
        try:
            with npy_errors():
                depth: NDArray[Any] = np.load(path, allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise CorruptDataError(
                Problem("wrong-depth", str(path), f"expected an array, got: {error}", _COPY)
            ) from None
    if depth.ndim != 2 or depth.dtype.kind != "f":
        message = f"expected (H, W) float metres, got {depth.dtype} {depth.shape}"
        raise CorruptDataError(Problem("wrong-depth", str(path), message, "write metres along the camera's axis"))
    wrong = ~(np.isfinite(depth) & (depth >= 0))
    if wrong.any():
        message = f"expected metres from 0, and 0 for none, got {depth[wrong][0]} ({int(wrong.sum())} such)"
        raise CorruptDataError(Problem("wrong-depth", str(path), message, "write 0 where there is no depth"))
    return depth.astype(np.float32)


def _expect_code(path: Path, *, bits: int, colours: int) -> None:
    """Refuse a PNG that decodes to three bytes a pixel all the same, and whose bytes are no code of CARLA's."""
    if bits == 8 and colours in (_RGB, _RGBA):
        return
    kind = _COLOURS.get(colours, f"of colour type {colours}")
    guess = "millimetres?" if (bits, colours) == (16, _GRAY) else "a picture of depth?"
    message = f"expected 8-bit RGB or RGBA, in which CARLA codes depth, got {bits}-bit {kind}: {guess}"
    fix = "write metres as .npy, or the code of CARLA: lapsdata.geometry.carla_depth_colours"
    raise CorruptDataError(Problem("wrong-depth", str(path), message, fix))


def _sides(path: Path, head: bytes, tail: bytes) -> _Sides:
    if not head:
        raise CorruptDataError(Problem("empty-file", str(path), "expected a picture, got 0 bytes", _COPY))
    if not head.startswith(_BEGIN) or len(head) < _HEAD:
        raise CorruptDataError(Problem("not-png", str(path), f"expected PNG, got bytes {head[:8]!r}", _COPY))
    if tail != _END:
        message = "expected a PNG up to its last chunk, got one that ends before"
        raise CorruptDataError(Problem("cut-off", str(path), message, _COPY))
    sides = _Sides(int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big"))
    if zlib.crc32(head[12:29]) != int.from_bytes(head[29:33], "big") or not min(sides):
        message = (
            f"expected a size of at least 1 x 1 with its checksum, got {sides.width} x {sides.height} that has not"
        )
        raise CorruptDataError(Problem("not-png", str(path), message, _COPY))
    return sides

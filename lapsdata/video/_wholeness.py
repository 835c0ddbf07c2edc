"""Is a file as long as it says itself? FFmpeg reads what is left of a cut file, and often without a word.

Only the outermost structure is walked: boxes of MP4 and QuickTime, the segment of Matroska, chunks of AVI, blocks
of GIF, packets of MPEG-TS. What none of them knows is left to FFmpeg.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from lapsdata.storage.lfs_pointer import LFS_CODE, LFS_FIX, is_pointer, pointer_message
from lapsdata.video._mp4_boxes import boxes_in

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Fault", "find_fault", "known_kind"]

_CUT_OFF = "copy or download it again; to keep what there is, repair it with ffmpeg -i FILE -c copy NEW"
_BOXES = {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"styp"}
_SEGMENT = 0x18538067
# Three packets of MPEG-TS.
_HEAD = 3 * 188


class Fault(NamedTuple):
    """Why a file cannot be a whole video."""

    code: str
    message: str
    fix: str
    foreign: bool = False


class _Kind(NamedTuple):
    """A kind of file, by FFmpeg's name for it: how it begins, and how far it should reach."""

    name: str
    fits: Callable[[bytes], bool]
    walk: Callable[[BinaryIO, int], Fault | None]


def find_fault(file: BinaryIO) -> Fault | None:
    r"""Look whether a file ends where its own structure says.

    Parameters
    ----------
    file : seekable binary file
        Left at its start.

    Returns
    -------
    Fault or None
        None for whole files, and for kinds that do not tell.

    Examples
    --------
    >>> import io
    >>> find_fault(io.BytesIO(b"\0\0\0\x08free\0\0\0\x40mdat")).message
    'expected 72 bytes by its own structure, got 16'
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(_HEAD)
    try:
        if not size:
            return Fault("empty-file", "expected a video, got 0 bytes", "copy or download it again")
        if is_pointer(head):
            return Fault(LFS_CODE, pointer_message("a video"), LFS_FIX, foreign=True)
        kind = next((kind for kind in _KINDS if kind.fits(head)), None)
        return None if kind is None else kind.walk(file, size)
    finally:
        file.seek(0)


def known_kind(file: BinaryIO) -> str | None:
    """Return FFmpeg's name for the kind of file that this begins as; None for kinds that are not walked."""
    file.seek(0)
    head = file.read(_HEAD)
    file.seek(0)
    return next((kind.name for kind in _KINDS if kind.fits(head)), None)


def _short(expected: int, size: int) -> Fault | None:
    if expected <= size:
        return None
    return Fault("cut-off", f"expected {expected} bytes by its own structure, got {size}", _CUT_OFF)


def _walk_boxes(file: BinaryIO, size: int) -> Fault | None:
    boxes = list(boxes_in(file, 0, size))
    end = boxes[-1].end if boxes else 0
    if end > size:
        return _short(end, size)
    # Where no box begins, it is FFmpeg's to judge what follows.
    if any(box.kind == b"moov" for box in boxes) or end + 8 <= size:
        return None
    message = "the index of its frames (moov) is missing: the recording or the copy was stopped before its end"
    return Fault("no-index", message, "record or copy it again")


def _walk_matroska(file: BinaryIO, size: int) -> Fault | None:
    """RFC 8794: elements of (id, size), both of variable length; all ones is a size not known when recording."""
    at = 0
    while at < size:
        file.seek(at)
        head = file.read(12)
        id_length = _marked(head[0])
        name = int.from_bytes(head[:id_length], "big")
        length = _marked(head[id_length]) if len(head) > id_length else 9
        field = head[id_length : id_length + length]
        if len(field) < length or length > 8:
            return _short(size + 1, size)
        ones = (1 << 7 * length) - 1
        value = int.from_bytes(field, "big") & ones
        if value == ones:
            return None
        at += id_length + length + value
        if name == _SEGMENT:
            return _short(at, size)
    return _short(at, size)


def _marked(first: int) -> int:
    """Length in bytes of a number whose first byte this is; 9 for none."""
    return 9 - first.bit_length()


def _walk_riff(file: BinaryIO, size: int) -> Fault | None:
    end = 0
    while end + 12 <= size:
        file.seek(end + end % 2)
        head = file.read(8)
        length = int.from_bytes(head[4:], "little")
        # 0 and all ones: a recorder that never came back to fill it in, or a stream.
        if head[:4] != b"RIFF" or length in {0, 2**32 - 1}:
            return None
        end += end % 2 + 8 + length
    return _short(end, size)


def _walk_gif(file: BinaryIO, size: int) -> Fault | None:
    """GIF89a: header, colour table, then extensions (0x21) and images (0x2C) of counted blocks, then 0x3B."""
    file.seek(10)
    flags = file.read(3)[:1] or b"\0"
    file.seek(13 + _table(flags[0]))
    while kind := file.read(1):
        if kind == b";":
            return None
        if kind == b"!":
            file.read(1)
        elif kind == b",":
            place = file.read(9)
            if len(place) == 9:
                file.seek(_table(place[8]) + 1, os.SEEK_CUR)
        else:
            message = f"expected a block of a GIF at byte {file.tell() - 1}, got 0x{kind.hex()}"
            return Fault("damaged", message, "copy or download it again")
        while block := int.from_bytes(file.read(1), "little"):
            file.seek(block, os.SEEK_CUR)
    return _short(size + 1, size)


def _table(flags: int) -> int:
    """Bytes of a colour table that these flags announce."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _walk_transport(_: BinaryIO, size: int) -> Fault | None:
    return _short(size + -size % 188, size)


_KINDS: tuple[_Kind, ...] = (
    _Kind("mov", lambda head: head[4:8] in _BOXES, _walk_boxes),
    _Kind("matroska", lambda head: head[:4] == b"\x1a\x45\xdf\xa3", _walk_matroska),
    _Kind("avi", lambda head: head[:4] == b"RIFF" and head[8:12] == b"AVI ", _walk_riff),
    _Kind("gif", lambda head: head[:6] in {b"GIF87a", b"GIF89a"}, _walk_gif),
    _Kind("mpegts", lambda head: len(head) > 188 and set(head[::188]) == {0x47}, _walk_transport),
)

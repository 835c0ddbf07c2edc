"""Boxes of MP4 and QuickTime files (ISO/IEC 14496-12, 4.2): a length, a kind, and what is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Box", "boxes_in"]


class Box(NamedTuple):
    """Where a box stands, in bytes of the file."""

    kind: bytes
    start: int
    """Of what is in it"""
    end: int
    """As its own length says, which may lie beyond the file"""

    def read(self, file: BinaryIO) -> bytes:
        """Return what is in it."""
        file.seek(self.start)
        return file.read(self.end - self.start)


def boxes_in(file: BinaryIO, start: int, end: int) -> Iterator[Box]:
    r"""Yield the boxes between two places of a file, up to the first that is none.

    Examples
    --------
    >>> import io
    >>> list(boxes_in(io.BytesIO(b"\0\0\0\x08free\0\0\0\x0cmdat1234"), 0, 20))
    [Box(kind=b'free', start=8, end=8), Box(kind=b'mdat', start=16, end=20)]
    """
    at = start
    while at + 8 <= end:
        file.seek(at)
        head = file.read(16)
        length, kind, inner = int.from_bytes(head[:4], "big"), head[4:8], at + 8
        if length == 1:
            # A length of 64 bits follows.
            length, inner = int.from_bytes(head[8:16], "big"), at + 16
        # 0 lasts to the end.
        stop = end if length == 0 else at + length
        if stop < inner or not kind.isascii():
            return
        yield Box(kind, inner, stop)
        at = stop

"""Git LFS pointers: the small texts that stand for files which were not downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.errors import Problem, UnknownFormatError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["LFS_CODE", "LFS_FIX", "LFS_HEAD", "is_pointer", "pointer_message", "refuse_pointer"]

LFS_HEAD = b"version https://git-lfs.github.com/spec/"
"""How each of them begins."""

LFS_CODE, LFS_FIX = "git-lfs-pointer", "run git lfs pull"


def is_pointer(head: bytes) -> bool:
    """Say whether a file that begins so is a pointer.

    Examples
    --------
    >>> is_pointer(b"version https://git-lfs.github.com/spec/v1"), is_pointer(b"PAR1")
    (True, False)
    """
    return head.startswith(LFS_HEAD)


def pointer_message(wanted: str) -> str:
    """Return what is said where one stands for a file of some kind."""
    return f"expected {wanted}, got a Git LFS pointer: the text that stands for a file not yet downloaded"


def refuse_pointer(head: bytes, path: Path, wanted: str) -> None:
    """Refuse a file that begins as a pointer.

    Raises
    ------
    UnknownFormatError
        It does.
    """
    if is_pointer(head):
        raise UnknownFormatError(Problem(LFS_CODE, str(path), pointer_message(wanted), LFS_FIX))

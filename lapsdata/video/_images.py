"""Folders of numbered images as videos: ordered by their numbers, timed by the user."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["IMAGE_SUFFIXES", "is_image_folder"]

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg"})


def is_image_folder(folder: Path) -> bool:
    """Tell whether a folder holds images."""
    return folder.is_dir() and any(item.suffix.lower() in IMAGE_SUFFIXES for item in folder.iterdir())

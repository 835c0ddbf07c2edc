"""Where the images of a sequence lie, below a folder of data or in that of the sequence."""

from __future__ import annotations

from glob import escape
from typing import TYPE_CHECKING

from lapsdata.adapters._image_names import IMAGES
from lapsdata.storage.atomic import storage_errors

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.schema import BoxSequence

__all__ = ["folder_of_images", "folders_of_sequences", "images_within", "said_folder"]

# Folders above a sequence in which images are looked for, where they do not lie where they are said to.
_DEPTH = 4


def said_folder(sequence: BoxSequence) -> str | None:
    """Return the folder that the names of its images begin with; None where they say none, or the usual one alone.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_boxes
    >>> said_folder(sample_boxes().header.sequences[0].model_copy(update={"images": "a/img1/{frame:06d}"}))
    'a/img1'
    """
    if sequence.images is None:
        return None
    above = sequence.images.rpartition("/")[0].replace("{{", "{").replace("}}", "}")
    return None if above in ("", IMAGES) else above


def images_within(sequence: BoxSequence) -> tuple[str | None, str | None]:
    """Return what the names of its images have above the sequence, and the pattern of names in its folder.

    The first is None where they begin in the folder of the sequence, or are of no folder of its name.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_boxes
    >>> left = sample_boxes().header.sequences[0]
    >>> images_within(left.model_copy(update={"images": "train/left/img1/{frame:06d}.jpg"}))
    ('train', 'img1/{frame:06d}.jpg')
    >>> images_within(left.model_copy(update={"images": "img1/{frame:06d}.jpg"}))
    (None, 'img1/{frame:06d}.jpg')
    """
    if sequence.images is None:
        return None, None
    *folders, name = sequence.images.split("/")
    plain = [folder.replace("{{", "{").replace("}}", "}") for folder in folders]
    for end in range(len(plain), 0, -1):
        for start in range(end):
            # Of two sequences of one name each is called by its folders too.
            if ".".join(plain[start:end]) == sequence.name:
                return "/".join(plain[:start]), "/".join([*folders[end:], name])
    return None, sequence.images


def folder_of_images(sequence: BoxSequence, root: Path, *, single: bool) -> Path | None:
    """Return where the images of a sequence lie: where they should, or else in the one folder of its name.

    Parameters
    ----------
    sequence : BoxSequence
    root : Path
        The folder of all data, or that of one sequence.
    single : bool
        Whether it is the only sequence: then `root` may be its folder.

    Raises
    ------
    StorageError
        A folder cannot be listed.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.testing.samples import sample_boxes
    >>> root = pathlib.Path(tempfile.mkdtemp())
    >>> (root / "train" / "left" / "img1").mkdir(parents=True)
    >>> folder_of_images(sample_boxes().header.sequences[0], root, single=False).relative_to(root).as_posix()
    'train/left/img1'
    """
    said = said_folder(sequence)
    usual = [root / sequence.name / IMAGES, *([root / IMAGES] if single else [])]
    with storage_errors(root, "list"):
        for place in (*([root / said] if said is not None else []), *usual):
            if place.is_dir():
                return place
        for depth in range(1, _DEPTH):
            pattern = "*/" * depth + f"{escape(sequence.name)}/{IMAGES}"
            if found := [one for one in root.glob(pattern) if one.is_dir()]:
                return found[0] if len(found) == 1 else None
    return None


def folders_of_sequences(root: Path) -> list[Path]:
    """Return the folders below one that have a folder of images, in order.

    Raises
    ------
    StorageError
        A folder cannot be listed.
    """
    with storage_errors(root, "list"):
        found = [one for depth in range(_DEPTH + 1) for one in root.glob("*/" * depth + IMAGES) if one.is_dir()]
    return sorted(one.parent for one in found)

"""Pictures as PNG files: whole or not at all, equal pictures as equal bytes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.storage.atomic import atomic_file

if TYPE_CHECKING:
    from os import PathLike

    import numpy.typing as npt

__all__ = ["write_png"]


def write_png(path: str | PathLike[str], image: npt.NDArray[np.uint8], *, overwrite: bool = False) -> None:
    """Write a picture.

    Parameters
    ----------
    path : path
        Ends with `.png`; its folder must exist.
    image : numpy.ndarray, shape (H, W, 3), uint8, RGB
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    SchemaError
        Another suffix (`unknown-suffix`) or array (`wrong-frame`).
    StorageError
        The file exists, or the file system refused (permission, space).

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "red.png"
    >>> write_png(target, np.full((4, 6, 3), (255, 0, 0), np.uint8))
    >>> target.read_bytes()[1:4]
    b'PNG'
    """
    import cv2

    path = Path(path)
    if path.suffix.lower() != ".png":
        raise SchemaError(Problem("unknown-suffix", str(path), f"expected .png, got {path.suffix!r}", "rename it"))
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        message = f"expected (H, W, 3) uint8 RGB, got {image.shape} {image.dtype}"
        raise SchemaError(Problem("wrong-frame", str(path), message))
    _, encoded = cv2.imencode(".png", image[..., ::-1])
    with atomic_file(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(encoded.tobytes())

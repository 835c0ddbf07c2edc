"""Images that stand in rows as the bytes of an image file, or as the name of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.errors import CorruptDataError, Problem, SchemaError
from lapsdata.storage.atomic import storage_errors

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["decoded_image"]


def decoded_image(value: Any, root: Path, where: str) -> NDArray[np.uint8]:  # noqa: ANN401 - whatever a row holds
    """Return the pixels of an image: RGB uint8 (H, W, 3).

    Parameters
    ----------
    value : bytes, or dict of bytes and path
        As data sets of Hugging Face hold images: its bytes, or where these are missing the path of its file.
    root : Path
        What paths are relative to.
    where : str
        Place, for the messages.

    Raises
    ------
    SchemaError
        Neither bytes nor a path.
    CorruptDataError
        Bytes that are no image, or not a whole one.
    StorageError
        The file cannot be read.

    Examples
    --------
    >>> import cv2
    >>> from pathlib import Path
    >>> _, data = cv2.imencode(".png", np.full((2, 3, 3), (255, 0, 0), np.uint8))
    >>> decoded_image({"bytes": data.tobytes(), "path": None}, Path("."), "row 0")[0, 0].tolist()
    [0, 0, 255]
    """
    import cv2

    data = value.get("bytes") if isinstance(value, dict) else value
    path = value.get("path") if isinstance(value, dict) else None
    if data is None and path:
        file = root / str(path)
        with storage_errors(file, "read"):
            data = file.read_bytes()
    if not isinstance(data, bytes):
        message = f"expected the bytes of an image, or its path, got {type(data).__name__}"
        raise SchemaError(Problem("no-image", where, message))
    # Turns that EXIF tells are what a viewer does; loaders of data sets give the pixels as they are stored.
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    if image is None:
        message = f"expected an image that can be decoded, got {len(data)} bytes that cannot"
        raise CorruptDataError(Problem("undecodable-image", where, message, "copy or record it again"))
    return np.asarray(image[..., ::-1], np.uint8)

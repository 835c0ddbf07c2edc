"""What the images of a folder are called: the number in each name."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.video._images import listed_images

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["ImageNumbers", "image_numbers"]


class ImageNumbers(NamedTuple):
    """Numbers of the images of a folder, and how names are made of them.

    Parameters
    ----------
    numbers : numpy.ndarray, shape (F,), int64
        Rising; in the order in which `open_video` gives the images.
    before, after : str
        What stands before and behind the number in a name.
    digits : int
        Of the first name.

    Examples
    --------
    >>> ImageNumbers(np.array([8]), "", ".jpg", 6).name_of(12)
    '000012.jpg'
    """

    numbers: NDArray[np.int64]
    before: str
    after: str
    digits: int

    def name_of(self, number: int) -> str:
        """Return what the image of a number would be called."""
        return f"{self.before}{number:0{self.digits}d}{self.after}"


def image_numbers(folder: Path) -> ImageNumbers:
    """Read the numbers of the images of a folder, with any number of digits; no image is opened.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    UnknownFormatError
        No images.
    SchemaError
        A name without a number, two series, two images of one number.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("00000008.png", "00000012.png"):
    ...     (folder / name).touch()
    >>> image_numbers(folder).numbers.tolist()
    [8, 12]
    """
    images = listed_images(folder)
    name, (begin, end) = images[0].path.name, images[0].digits
    numbers = np.array([image.number for image in images], np.int64)
    return ImageNumbers(numbers, name[:begin], name[end:], end - begin)

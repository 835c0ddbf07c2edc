"""One picture with its place and its time, and what gives such pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from lapsdata.video.facts import VideoFacts

__all__ = ["Decoder", "Frame", "FrameSource", "Pixels"]

Pixels = Literal["rgb", "rgb_quick", "gray"]
"""What an image holds: red, green and blue, or brightness alone. "rgb_quick" is what FFmpeg makes where it is not told
to be careful, and what most loaders give: colours at half the size are repeated and not interpolated, some pixels are
off by up to 35 levels at edges of colour, and it takes half the time."""

Decoder = Literal["pyav", "torchcodec"]
"""What decodes videos: PyAV, whose wheel holds FFmpeg; or torchcodec, which takes the FFmpeg (4 to 8) of the machine,
and makes colours in one way alone. Measured with FFmpeg 5 and 8, they are those of PyAV's "rgb_quick" to the bit where
a video has 8 bits, whole pictures and the limited range of values; else they were off by up to 20 levels (full range,
which torchcodec does not always see), 30 (interlaced) and 36 (10 bits)."""


class Frame(NamedTuple):
    """One picture of a video.

    Parameters
    ----------
    index : int, 0-based
        Place in presentation order, counted in frames of the source.
    time_s : float, seconds
        The source's own timestamp; the first frame's is not always 0.
    image : array, shape (H, W, 3) for RGB or (H, W) for gray, uint8
        Upright, C-contiguous, the reader's own no longer: it may be kept or written to.

    Examples
    --------
    >>> import numpy as np
    >>> frame = Frame(3, 0.15, np.zeros((48, 64, 3), np.uint8))
    >>> frame.index, frame.time_s, frame.image.shape
    (3, 0.15, (48, 64, 3))
    """

    index: int  # type: ignore[assignment]  # a frame is no list to be searched; the name is the field's
    time_s: float
    image: NDArray[np.uint8]


class FrameSource(Protocol):
    """What gives the frames of a video: a `lapsdata.video.reader.VideoReader`, or one that is changed on the way.

    Examples
    --------
    >>> from lapsdata.video.reader import VideoReader
    >>> source: type[FrameSource] = VideoReader
    """

    @property
    def facts(self) -> VideoFacts:
        """What is known of the video without its pixels."""

    def frames(self, indices: Iterable[int] | None = None) -> Iterator[Frame]:
        """Yield frames, all or those of rising indices, repeats allowed; each call begins anew."""

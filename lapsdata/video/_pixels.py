"""From what a decoder gives to upright RGB or gray bytes.

FFmpeg's quick conversion (what PyAV does when it is not told otherwise) shifts colours that are stored at half the
size by up to 2 levels to the dark; the careful one has no bias and takes longer. Matrix and range are those that the
stream states; a stream that states none is taken for ITU-R BT.601, limited range, as FFmpeg and OpenCV do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import av
    from numpy.typing import NDArray

    from lapsdata.geometry import QuarterTurn
    from lapsdata.video.frame import Pixels

    Convert = Callable[[av.VideoFrame], NDArray[np.uint8]]

__all__ = ["converter"]


def converter(pixels: Pixels, rotation: QuarterTurn) -> Convert:
    """Return the function that makes an image of a decoded frame.

    Parameters
    ----------
    pixels : {"rgb", "rgb_quick", "gray"}
        "rgb_quick" is FFmpeg's own way, equal to PyAV's `to_ndarray(format="rgb24")`.
        "gray" is the brightness that the video stores (luma Y'), stretched to 0 to 255: for BT.601 what OpenCV makes
        of the RGB picture; for BT.709 and BT.2020 with their own weights of the three colours. Of a source stored
        as RGB it is the luma of BT.601.
    rotation : {0, 90, 180, 270}, degrees, clockwise

    Returns
    -------
    callable
        From a frame to an array of shape (H, W, 3) or (H, W), uint8, C-contiguous, with memory of its own. Alpha is
        dropped; more than 8 bits are rounded.
    """
    from av.video.reformatter import Colorspace, Interpolation, VideoReformatter

    scaler = VideoReformatter()
    careful = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT

    def rgb(frame: av.VideoFrame) -> NDArray[np.uint8]:
        made = scaler.reformat(frame, format="rgb24", interpolation=careful, threads=1)
        return _turned(_image(made, shared=made is frame), rotation)

    def gray(frame: av.VideoFrame) -> NDArray[np.uint8]:
        # Named on both sides, the matrix does not take part, and luma stays what it was.
        same = Colorspace.ITU601
        made = scaler.reformat(frame, format="gray", src_colorspace=same, dst_colorspace=same, threads=1)
        return _turned(_image(made, shared=made is frame), rotation)

    def rgb_quick(frame: av.VideoFrame) -> NDArray[np.uint8]:
        made = scaler.reformat(frame, format="rgb24", threads=1)
        return _turned(_image(made, shared=made is frame), rotation)

    return {"rgb": rgb, "rgb_quick": rgb_quick, "gray": gray}[pixels]


def _image(frame: av.VideoFrame, *, shared: bool) -> NDArray[np.uint8]:
    """Return the picture without the padding of its lines; a decoder's own memory (`shared`) is copied."""
    image = cast("NDArray[np.uint8]", frame.to_ndarray())
    return image.copy() if shared else np.ascontiguousarray(image)


def _turned(image: NDArray[np.uint8], clockwise: QuarterTurn) -> NDArray[np.uint8]:
    return image if not clockwise else np.ascontiguousarray(np.rot90(image, -clockwise // 90))

"""What FFmpeg says only in its log: damage that no call reports, and facts of a stream that PyAV does not pass on.

PyAV keeps FFmpeg silent unless a program asks otherwise. The level is one for the whole process, so it is raised
only for the moment of a call, put back after it, and shared by the threads that listen at the same time.
"""

from __future__ import annotations

import logging
import re
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.container import InputContainer

__all__ = ["describe", "listening"]

_lock = threading.Lock()
_levels: list[int] = []
_before: tuple[int | None, bool] = (None, True)

# A stream's line and the lines under it, up to the next stream.
_STREAM = r"^  Stream #0:{index}\b.*?(?=^  Stream #|\Z)"


@contextmanager
def listening(level: int) -> Iterator[list[str]]:
    """Collect what FFmpeg says in this thread, at `level` (of `av.logging`) or worse.

    Messages that the program itself wants, by a level of its own, still reach its log.

    Yields
    ------
    list of str
        Grows as messages come.

    Examples
    --------
    >>> import av
    >>> with listening(av.logging.ERROR) as said:
    ...     av.logging.log(av.logging.ERROR, "ffv1", "slice CRC mismatch")
    >>> said
    ['slice CRC mismatch']
    """
    from av.logging import Capture, adapt_level

    _raise(level)
    said: list[str] = []
    try:
        with Capture() as messages:
            try:
                yield said
            finally:
                said += [text.strip() for _, _, text in messages]
    finally:
        wanted = _lower(level)
    if wanted is not None:
        for grade, name, text in messages:
            if grade <= wanted:
                logging.getLogger(f"libav.{name}").log(adapt_level(grade), text.strip())


def _raise(level: int) -> None:
    global _before
    from av import logging as av_logging

    with _lock:
        if not _levels:
            _before = av_logging.get_level(), av_logging.get_skip_repeated()
            # Left alone, the second of two equal messages is counted instead of told.
            av_logging.set_skip_repeated(False)
        _levels.append(level)
        av_logging.set_level(max(*_levels, _before[0] or 0))


def _lower(level: int) -> int | None:
    from av import logging as av_logging

    with _lock:
        _levels.remove(level)
        wanted, skip = _before
        if _levels:
            av_logging.set_level(max(*_levels, wanted or 0))
        else:
            av_logging.set_level(wanted)
            av_logging.set_skip_repeated(skip)
        return wanted


def describe(container: InputContainer, index: int) -> str:
    """Return FFmpeg's own description of one stream, as `ffprobe` shows it.

    Parameters
    ----------
    container : av.container.InputContainer
        Open.
    index : int
        Place of the stream in the container.

    Returns
    -------
    str
        Its line (codec, pixels, rate) and the lines of its metadata and side data.
    """
    from av import logging as av_logging

    with listening(av_logging.INFO):
        # In PyAV since 8.1, but not in its stubs.
        text: str = cast("Any", container).dumps_format()
    found = re.search(_STREAM.format(index=index), text, re.MULTILINE | re.DOTALL)
    return found[0] if found else ""

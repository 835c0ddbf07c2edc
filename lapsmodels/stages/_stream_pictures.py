"""The pictures of a live source, to be looked at once more: for clips and overlays."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Self

import numpy as np

from lapsdata.storage.atomic import TEMPORARY, storage_errors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Image = NDArray[np.uint8]

__all__ = ["Spool"]

# What is kept of a live source: hardly any difference to be seen, and a tenth of the bytes.
_JPEG_QUALITY = 95


class Spool:
    """The pictures of a live source, kept in a file until the stream has ended."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / f"{TEMPORARY}frames"
        with storage_errors(self._path, "write"):
            self._file: BinaryIO = self._path.open("w+b")
        self._times: list[float] = []
        self._ends: list[int] = [0]

    def keep(self, number: int, time_s: float, image: Image) -> None:
        """Take the next picture."""
        import cv2

        _, coded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        with storage_errors(self._path, "write"):
            self._file.seek(self._ends[number])
            self._file.write(coded.tobytes())
        self._times.append(time_s)
        self._ends.append(self._ends[number] + len(coded))

    def between(self, start_s: float, end_s: float) -> tuple[NDArray[np.float64], Iterator[Image]]:
        """Return times and RGB pictures of the frames from `start_s` to before `end_s`."""
        times = np.array(self._times)
        first, until = np.searchsorted(times, (start_s, end_s)).tolist()
        return times[first:until], self.pictures(np.arange(first, until))

    def pictures(self, numbers: NDArray[np.int64]) -> Iterator[Image]:
        """Yield some RGB pictures by the number of their source frame."""
        import cv2

        for number in numbers.tolist():
            with storage_errors(self._path, "read"):
                self._file.seek(self._ends[number])
                coded = self._file.read(self._ends[number + 1] - self._ends[number])
            picture = cv2.imdecode(np.frombuffer(coded, np.uint8), cv2.IMREAD_COLOR)
            yield np.ascontiguousarray(np.asarray(picture, np.uint8)[..., ::-1])

    def close(self) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

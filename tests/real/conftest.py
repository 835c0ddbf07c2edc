"""What tests on real videos make of them."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import av
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="session")
def encode_gif() -> Callable[..., None]:
    """Return a function that writes every n-th frame of a video, half as wide, as a GIF of the same speed."""

    def encode(source: Path, target: Path, *, frames: int, every: int) -> None:
        with av.open(str(source)) as given, av.open(str(target), "w") as output:
            stream = given.streams.video[0]
            made = output.add_stream("gif", rate=stream.average_rate / every)
            made.width, made.height, made.pix_fmt = stream.width // 2, stream.height // 2, "rgb8"
            for index, frame in enumerate(given.decode(stream)):
                if index == frames * every:
                    break
                if index % every == 0:
                    small = frame.reformat(made.width, made.height, "rgb8")
                    small.pts, small.time_base = index // every, Fraction(every) / stream.average_rate
                    output.mux(made.encode(small))
            output.mux(made.encode(None))

    return encode

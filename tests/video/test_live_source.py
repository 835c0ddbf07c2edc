"""Live sources: frames with the stream's own times, drops that are counted, and ends that are told."""

from __future__ import annotations

import socket
import threading
from fractions import Fraction
from time import monotonic
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

from lapsdata.errors import SchemaError, StorageError
from lapsdata.video.live_source import LiveSource, is_live

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FRAMES = 30


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def wait_for_receiver(port: int) -> None:
    """Wait until somebody listens: what is sent before is lost."""
    pause = threading.Event()
    for _ in range(2000):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                return
        pause.wait(0.005)


@pytest.fixture
def sender() -> Iterator[Callable[[str], None]]:
    """Send 30 small pictures at 25 per second by their times, as fast as they can be sent, in a thread."""
    threads: list[threading.Thread] = []

    def send(url: str) -> None:
        wait_for_receiver(int(url.partition("?")[0].rpartition(":")[2]))
        with av.open(url, "w", format="mpegts") as container:
            stream = container.add_stream("mpeg2video", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            stream.codec_context.time_base = Fraction(1, 25)
            for k in range(FRAMES):
                picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 4 * k + 60, np.uint8), format="rgb24")
                picture.pts, picture.time_base = k, Fraction(1, 25)
                container.mux(stream.encode(picture))
                pause.wait(0.005)
            container.mux(stream.encode(None))

    pause = threading.Event()

    def begin(url: str) -> None:
        threads.append(threading.Thread(target=send, args=(url,)))
        threads[-1].start()

    yield begin
    for thread in threads:
        thread.join()


def test_what_is_live() -> None:
    assert [is_live(one) for one in ("0", "12", "udp://h:1", "RTSP://h/x", "srt://h:1")] == [True] * 5
    assert [is_live(one) for one in ("clip.mp4", "http://h/c.mp4", "s3://b/c.mp4", "0.mp4", "./0", "")] == [False] * 6


def test_a_network_stream_keeps_its_own_times(sender: Callable[[str], None]) -> None:
    url = f"udp://127.0.0.1:{free_port()}?fifo_size=100000"
    sender(url.partition("?")[0] + "?pkt_size=1316")
    with LiveSource(url, ("gray", "rgb"), idle_s=1.0) as live:
        frames = [frame for frame in live.frames() if frame is not None]
    assert str(live.size) == "64x48"
    # A packet of MPEG-TS ends where the next one begins: the last one may not.
    assert FRAMES - 1 <= len(frames) <= FRAMES
    assert [frame.index for frame in frames] == list(range(len(frames)))
    gray, rgb = frames[0].images
    assert (gray.shape, rgb.shape) == ((48, 64), (48, 64, 3))
    # As the stream has them, however quickly they came.
    times = np.array([frame.time_s for frame in frames])
    np.testing.assert_allclose(np.diff(times), 0.04, atol=1e-4)
    assert live.dropped_s == []


def test_a_frame_says_when_it_came_and_not_when_it_was_taken(sender: Callable[[str], None]) -> None:
    """Regression: latencies left out how long a frame had waited in the queue."""
    url = f"udp://127.0.0.1:{free_port()}?fifo_size=100000"
    sender(url.partition("?")[0] + "?pkt_size=1316")
    before_s = monotonic()
    with LiveSource(url, idle_s=1.0) as live:
        while not live.ended:
            threading.Event().wait(0.02)
        ended_s = monotonic()
        came_s = [frame.at_s for frame in live.frames() if frame is not None]
    assert before_s < came_s[0] < came_s[-1] < ended_s
    assert came_s == sorted(came_s)


def test_what_nobody_takes_is_dropped_in_one_piece_and_counted(sender: Callable[[str], None]) -> None:
    """Regression: a queue of one that forgot the oldest lost windows evenly, so that none was whole."""
    url = f"udp://127.0.0.1:{free_port()}?fifo_size=100000"
    sender(url.partition("?")[0] + "?pkt_size=1316")
    with LiveSource(url, idle_s=1.0, queue=4) as live:
        while not live.ended:
            threading.Event().wait(0.02)
        frames = [frame for frame in live.frames() if frame is not None]
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert all(frame.dropped_before == 0 for frame in frames)
    assert FRAMES - 5 <= len(live.dropped_s) <= FRAMES - 4
    assert live.dropped_s[0] == pytest.approx(frames[-1].time_s + 0.04, abs=1e-4)


def test_a_frame_that_follows_a_hole_says_how_wide_it_is(sender: Callable[[str], None]) -> None:
    url = f"udp://127.0.0.1:{free_port()}?fifo_size=100000"
    sender(url.partition("?")[0] + "?pkt_size=1316")
    with LiveSource(url, idle_s=1.0, queue=4) as live:
        while len(live.dropped_s) < 3:
            threading.Event().wait(0.002)
        frames = [frame for frame in live.frames() if frame is not None]
    assert [frame.dropped_before for frame in frames[:5]] == [0, 0, 0, 0, len(live.dropped_s)]
    assert frames[4].time_s - frames[3].time_s == pytest.approx(0.04 * (len(live.dropped_s) + 1), abs=1e-3)


def test_a_camera_that_is_not_there_is_named() -> None:
    with pytest.raises(StorageError, match=r"camera 93: expected a camera, got none: there is no /dev/video93"):
        LiveSource("93")


def test_a_stream_that_sends_nothing_is_told() -> None:
    with pytest.raises(StorageError, match=r"expected a stream, got nothing that can be opened within 0.2 s"):
        LiveSource(f"udp://127.0.0.1:{free_port()}", idle_s=0.2)


def test_a_stream_without_a_picture_is_refused() -> None:
    port = free_port()

    def send() -> None:
        wait_for_receiver(port)
        with av.open(f"udp://127.0.0.1:{port}?pkt_size=1316", "w", format="mpegts") as container:
            stream = container.add_stream("mp2", rate=44100)
            for k in range(120):
                frame = av.AudioFrame.from_ndarray(np.zeros((1, 2304), np.int16), format="s16", layout="stereo")
                frame.sample_rate, frame.pts = 44100, 1152 * k
                container.mux(stream.encode(frame))
                wait.wait(0.004)

    wait = threading.Event()
    thread = threading.Thread(target=send)
    thread.start()
    try:
        with pytest.raises(SchemaError, match="expected a picture, got none"):
            LiveSource(f"udp://127.0.0.1:{port}", idle_s=2.0)
    finally:
        thread.join()

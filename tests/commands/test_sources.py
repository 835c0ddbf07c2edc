"""Videos behind URLs and folders of images are tracked as files are: names, digests, resume, failures."""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import threading
import zipfile
from typing import TYPE_CHECKING, Any

import av
import cv2
import fsspec
import numpy as np
import pytest

import lapsdata
from lapsdata import Tracks
from lapsdata.provenance import path_digest
from lapsdata.timebase import FrameRate
from lapsmodels.stages.track import track_video
from lapsmodels.stages.track_options import TrackOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Verb = Callable[..., Any]


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(folder: Path) -> Iterator[str]:
    """Serve the folder of videos, as `python -m http.server` does."""
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{serving.server_address[1]}"
        serving.shutdown()


def made_of(out: Path, name: str) -> Any:
    return lapsdata.read(out / f"{name}.h5", Tracks, verify="always")


def test_http(track: Verb, server: str, clip: Path, folder: Path, tmp_path: Path, quick: tuple[str, ...]) -> None:

    sources = [f"{server}/S1_a.mp4", f"{server}/more/S2_c.mp4?token=a*b", f"{server}/nowhere.mp4"]
    done = track(*sources, "--out", "out", *quick)
    assert (done.code, done.fates) == (1, "items 3, made 2, failed 1")
    assert f"error: nowhere: {server}/nowhere.mp4: cannot open: no such file; check the URL [not-found]" in done.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["S1_a.h5", "S2_c.h5", "run.json"]
    header = made_of(tmp_path / "out", "S1_a").header
    assert (header.video.name, header.video.digest) == ("S1_a", path_digest(clip))
    (folder / "more" / "S2_c.mp4").write_bytes((folder / "S1_a.mp4").read_bytes() + bytes(8))
    again = json.loads(track(*sources, "--out", "out", "--json", *quick).out)
    assert {item["name"]: item["fate"] for item in again["items"]} == {
        "S1_a": "kept",
        "S2_c": "changed",
        "nowhere": "failed",
    }


def test_without_its_library_a_kind_of_url_names_it(
    track_here: Verb, clip: Path, monkeypatch: pytest.MonkeyPatch, quick: tuple[str, ...]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec, "open", refuse)
    done = track_here("s3://bucket/far.mp4", clip, "--out", "out", *quick)
    assert (done.code, done.fates) == (1, "items 2, made 1, failed 1")
    assert "error: far: s3://bucket/far.mp4: cannot open: Install s3fs to access S3" in done.err
    assert "[missing-extra]" in done.err


def test_a_file_url_is_its_file(
    track_here: Verb, clip: Path, folder: Path, tmp_path: Path, quick: tuple[str, ...]
) -> None:
    assert track_here(f"file://{folder}/S1_a.mp4", "--out", "out", *quick).code == 0
    assert made_of(tmp_path / "out", "S1_a").header.video.digest == path_digest(clip)
    assert track_here(folder / "S1_a.mp4", "--out", "out", *quick).fates == "items 1, kept 1"
    assert track_here(f"file://{folder}/S1_a.mp4", "--out", "out", *quick).fates == "items 1, kept 1"
    assert track_here(f"file://{folder}/S*.mp4", "--out", "out", *quick).fates == "items 2, made 1, kept 1"
    assert made_of(tmp_path / "out", "S2_b").header.video.name == "S2_b"


def test_a_video_in_an_archive(track_here: Verb, clip: Path, tmp_path: Path, quick: tuple[str, ...]) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(clip, "inside/boxed.mp4")
    chain = f"zip://inside/boxed.mp4::file://{tmp_path}/all.zip"
    assert track_here(chain, "--out", "out", *quick).code == 0
    assert made_of(tmp_path / "out", "boxed").header.video.digest == path_digest(clip)
    assert track_here(chain, "--out", "out", *quick).fates == "items 1, kept 1"
    code, _, err = track_here(f"zip://*.mp4::file://{tmp_path}/all.zip", "--out", "out", *quick)
    assert code == 1
    assert "expected no pattern in a chain of URLs, got one; name each file [pattern-in-chain]" in err


def test_memory_of_this_process(clip: Path, tmp_path: Path) -> None:
    system = fsspec.filesystem("memory")
    system.pipe_file("/videos/kept.mp4", clip.read_bytes())
    try:
        track_video("memory://videos/kept.mp4", tmp_path / "kept.h5", TrackOptions(points=24, horizon=8))
    finally:
        system.rm("/videos", recursive=True)
    header = lapsdata.read(tmp_path / "kept.h5", Tracks, verify="always").header
    assert (header.video.name, header.video.digest) == ("kept", path_digest(clip))


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("memory://nothing.mp4", "memory://nothing.mp4: cannot open: no such file; check the URL [not-found]"),
        ("file:///nothing.mp4", "file:///nothing.mp4: cannot open: no such file; check the URL [not-found]"),
        ("what://nothing.mp4", "what://nothing.mp4: cannot read: Protocol not known: what; check the URL"),
    ],
)
def test_urls_that_lead_nowhere_are_counted(
    track_here: Verb, clip: Path, url: str, told: str, quick: tuple[str, ...]
) -> None:
    done = track_here(url, clip, "--out", "out", *quick)
    assert (done.code, done.fates) == (1, "items 2, made 1, failed 1")
    assert f"error: nothing: {told}" in done.err


@pytest.fixture
def pictures(clip: Path, tmp_path: Path) -> Path:
    """Return the clip's frames as a folder of images, numbered from 1."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    with av.open(str(clip)) as video:
        for number, frame in enumerate(video.decode(video=0), 1):
            cv2.imwrite(str(folder / f"frame_{number:04d}.png"), frame.to_ndarray(format="bgr24"))
    return folder


def test_a_folder_of_images_takes_its_times_from_fps(
    track_here: Verb, pictures: Path, clip: Path, tmp_path: Path, quick: tuple[str, ...]
) -> None:
    code, _, err = track_here(pictures, "--out", "out", *quick)
    assert code == 1
    assert "expected the rate of a folder of images, which carry no time, got none; give --fps" in err
    assert track_here(pictures, clip, "--out", "out", "--fps", 10, *quick).code == 0
    images, video = made_of(tmp_path / "out", "pictures"), made_of(tmp_path / "out", "clip")
    assert (images.header.rate, images.header.resampled) == (FrameRate(10), False)
    assert images.header.video.digest == path_digest(pictures)
    assert np.array_equal(images.frame_s, video.frame_s)
    assert np.array_equal(images.start_index, video.start_index)
    # The same motion, from pixels that went through RGB.
    both = images.vis["default"] & video.vis["default"]
    assert np.abs(images.tracks["default"] - video.tracks["default"])[both].max() < 0.5


def test_a_folder_of_images_is_resumed_and_its_changes_are_seen(
    track_here: Verb, pictures: Path, quick: tuple[str, ...]
) -> None:
    options = ("--out", "out", "--fps", 10, *quick)
    assert track_here(pictures, *options).fates == "items 1, made 1"
    assert track_here(pictures, *options).fates == "items 1, kept 1"
    shutil.copy(pictures / "frame_0001.png", pictures / "frame_0002.png")
    assert track_here(pictures, *options).fates == "items 1, made again 1 (1 changed)"


def test_a_missing_image_is_a_gap_in_time_and_is_told(
    track_here: Verb, pictures: Path, tmp_path: Path, quick: tuple[str, ...]
) -> None:
    (pictures / "frame_0005.png").unlink()
    code, _, err = track_here(pictures, "--out", "out", "--fps", 10, *quick)
    assert code == 0
    assert "warning: " in err
    tracks = made_of(tmp_path / "out", "pictures")
    np.testing.assert_allclose(tracks.frame_s, np.arange(24) / 10)
    assert tracks.header.resampled
    assert tracks.header.duplicated_frames == 1
    assert tracks.header.video.frames == 23


def test_images_that_cannot_be_read_fail_alone(
    track_here: Verb, pictures: Path, clip: Path, quick: tuple[str, ...]
) -> None:
    (pictures / "frame_0007.png").write_bytes(b"no picture")
    done = track_here(pictures, clip, "--out", "out", "--fps", 10, *quick)
    assert (done.code, done.fates) == (1, "items 2, made 1, failed 1")
    assert f"error: pictures: {pictures / 'frame_0007.png'}: frame 6 at 0.600000 s: cannot be decoded" in done.err


def test_tracks_are_not_written_among_the_images_that_they_are_made_from(
    track_here: Verb, pictures: Path, quick: tuple[str, ...]
) -> None:
    for out in (pictures, pictures / "tracks"):
        code, _, err = track_here(pictures, "--out", out, "--fps", 10, *quick)
        assert code == 1
        assert "expected tracks outside of the images that they are made from" in err
        assert "[output-in-input]" in err

"""Frames beside windows in use: which video, which frame, what is opened and held, threads and processes."""

from __future__ import annotations

import gc
import multiprocessing
import pickle
import shutil
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import h5py
import numpy as np
import pytest
import torch
from torch.utils.data import BatchSampler, DataLoader, SequentialSampler

import lapsdata
from lapsdata import Tracks
from lapsdata.errors import CorruptDataError, SchemaError, StorageError
from lapsdata.loading.loader import Loader
from lapsdata.loading.windows import WindowDataset, open_windows
from lapsdata.schema.base import Size
from lapsdata.schema.video import SourceVideo
from lapsdata.testing.samples import sample_tracks
from lapsdata.timebase import FrameRate
from lapsdata.video.reader import open_video
from lapsdata.video.sources import source_digest
from lapsdata.video.writer import write_video

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

HORIZON, COUNT = 4, 24
BOTH = ("tracks", "images")


def clip(path: Path, shade: int = 0, *, size: tuple[int, int] = (48, 64), start_s: float = 0.0) -> Path:
    """Write a video of 24 frames, 10 each second, in groups of 8."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ys, xs = np.mgrid[: size[0], : size[1]]
    pictures = [np.stack([(xs + 9 * k) % 251, (ys + shade) % 251, 0 * xs + 10 * k], -1) for k in range(COUNT)]
    times = start_s + np.arange(COUNT) / 10
    write_video(path, [picture.astype(np.uint8) for picture in pictures], times, gop=8, overwrite=True)
    return path


def images_of(path: Path) -> NDArray[np.uint8]:
    with open_video(path) as video:
        return np.stack([frame.image for frame in video.frames()])


def tracks_of(video: SourceVideo, *, shift_s: float = 0.0, **header: Any) -> Tracks:
    made = sample_tracks(windows=COUNT - HORIZON + 1, horizon=HORIZON, video=video, **header)
    return Tracks(made.header, made.tracks, made.vis, made.start_index, made.frame_s + shift_s)


def fds() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


LINUX = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts what /proc shows")


class Set:
    """Three videos in a folder and their tracks in another."""

    def __init__(self, folder: Path) -> None:
        self.videos, self.tracks = folder / "videos", folder / "tracks"
        self.tracks.mkdir()
        paths = [clip(self.videos / f"clip_{number}.mp4", 40 * number) for number in range(3)]
        for path in paths:
            video = SourceVideo(name=path.stem, digest=source_digest(path))
            lapsdata.write(self.tracks / f"{path.stem}.h5", tracks_of(video))
        self.images = np.stack([images_of(path) for path in paths])

    def open(self, **options: Any) -> WindowDataset:
        return open_windows(self.tracks, **({"keys": BOTH, "videos": self.videos} | options))

    def expected(self, ids: Any) -> NDArray[np.uint8]:
        clips, windows = np.divmod(np.asarray(ids), COUNT - HORIZON + 1)
        return self.images[clips[:, None], windows[:, None] + np.arange(HORIZON)]


@pytest.fixture(autouse=True, scope="module")
def _quick_collections() -> Iterator[None]:
    """Leave what was there before out of the collections that look for leaks: they take longer than the tests."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Set:
    return Set(tmp_path_factory.mktemp("three"))


@pytest.fixture
def own(three: Set, tmp_path: Path) -> Set:
    """Copy the set, to be spoiled."""
    shutil.copytree(three.videos, tmp_path / "videos")
    shutil.copytree(three.tracks, tmp_path / "tracks")
    copy = object.__new__(Set)
    copy.videos, copy.tracks, copy.images = tmp_path / "videos", tmp_path / "tracks", three.images
    return copy


def test_images_stand_beside_the_windows(three: Set) -> None:
    windows = three.open()
    ids = np.array([62, 0, 20, 21, 21, 45])
    batch = windows.gather(ids)
    assert list(batch) == ["tracks", "vis", "images", "start_s"]
    np.testing.assert_array_equal(batch["images"], three.expected(ids), strict=True)
    field = windows.spec["images"]
    assert (field.shape, field.dtype, field.unit) == ((4, 48, 64, 3), np.uint8, "RGB (T, H, W, 3), 0 to 255")
    alone = open_windows(three.tracks)
    np.testing.assert_array_equal(batch["tracks"], alone.gather(ids)["tracks"])
    assert "images" not in alone.fields
    windows.close()
    alone.close()


def test_tracks_alone_open_no_video(three: Set, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Any] = []
    monkeypatch.setattr("lapsdata.video.probe.find_source", lambda *args, **_: opened.append(args))
    monkeypatch.setattr("lapsdata.video.sources.source_digest", lambda *args: opened.append(args))
    windows = open_windows(three.tracks)
    windows.gather([0, 40])
    windows.close()
    windows = three.open()
    assert list(windows.gather([0, 40], fields=["tracks", "start_s"])) == ["tracks", "start_s"]
    assert opened == []
    windows.close()


def test_tracks_alone_import_no_decoder(three: Set) -> None:
    code = (
        "import sys; from lapsdata.loading.windows import open_windows; "
        "open_windows(sys.argv[1]).gather([3, 1]); print({'av', 'cv2'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, three.tracks], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_nothing_is_read_of_videos_before_the_first_batch(own: Set) -> None:
    for path in own.videos.iterdir():
        path.write_bytes(b"no video at all")
    windows = own.open()
    assert windows.gather([0], fields=["vis"])["vis"].shape == (1, 4, 5)
    with pytest.raises(SchemaError, match=r"clip_0\.mp4: expected the video of the tracks, sha256:.* \[wrong-video\]"):
        windows.gather([0])
    windows.close()


def test_buffers_tensors_subsets_and_offsets(three: Set) -> None:
    windows = three.open()
    out = {name: field.empty(3) for name, field in windows.spec.items()}
    batch = windows.gather([5, 50, 5], out=out)
    assert batch["images"] is out["images"]
    np.testing.assert_array_equal(out["images"], three.expected([5, 50, 5]))
    assert torch.equal(windows[30]["images"], torch.from_numpy(three.expected([30])[0]))
    part = windows.subset(videos=["clip_2"])
    np.testing.assert_array_equal(part.gather([0, 20])["images"], three.expected([42, 62]))
    for wrong in (np.empty((2, 4, 48, 64, 3), np.uint8), np.empty((3, 4, 48, 64, 3), np.float32)):
        with pytest.raises(SchemaError, match=r"out: images: expected \(3, 4, 48, 64, 3\) uint8 in C order, got"):
            windows.gather([5, 50, 5], out={"images": wrong})
    with pytest.raises(IndexError, match=r"ids: expected 0 to 62, got 63"):
        windows.gather([63], fields=["images"])
    windows.close()
    windows = three.open(offsets=(0, 2), image_steps="first")
    out = {name: field.empty(2) for name, field in windows.spec.items()}
    batch = windows.gather([20, 1], out=out)
    first = three.images[0][[[20, 20], [1, 3]]][:, :, None]
    np.testing.assert_array_equal(batch["images"], first)
    np.testing.assert_array_equal(out["images"], first)
    assert batch["pad"].tolist() == [[False, True], [False, False]]
    windows.close()


def test_a_loader_delivers_images(three: Set) -> None:
    windows = three.open(image_steps=(0,))
    seen = []
    with Loader(windows, batch_size=9, seed=1) as loader:
        for batch in loader:
            ids = np.asarray(batch["id"])
            np.testing.assert_array_equal(np.asarray(batch["images"]), three.expected(ids)[:, :1])
            seen += ids.tolist()
    assert sorted(seen) == list(range(63))
    windows.close()


class TestWhichVideo:
    def test_named_by_a_mapping_or_found_below_a_folder(self, own: Set) -> None:
        (own.videos / "deep" / "er").mkdir(parents=True)
        moved = (own.videos / "clip_1.mp4").rename(own.videos / "deep" / "er" / "clip_1.mp4")
        mapping = {f"clip_{n}": own.videos / f"clip_{n}.mp4" for n in (0, 2)} | {"clip_1": str(moved), "other": "x.mp4"}
        for videos in (own.videos, mapping, {**mapping, "clip_1": f"file://{moved}"}):
            windows = own.open(videos=videos)
            np.testing.assert_array_equal(windows.gather([0, 30, 60])["images"], own.expected([0, 30, 60]))
            windows.close()

    def test_one_path_for_one_video(self, three: Set) -> None:
        windows = open_windows(three.tracks / "clip_1.h5", keys=BOTH, videos=str(three.videos / "clip_1.mp4"))
        np.testing.assert_array_equal(windows.gather([3])["images"], three.expected([24]))
        windows.close()
        message = (
            r"'clip_0', 'clip_1', 'clip_2': expected a folder, or a path for each of 3 videos, got the single video"
        )
        with pytest.raises(SchemaError, match=message):
            three.open(videos=three.videos / "clip_1.mp4")

    def test_all_that_are_missing_are_named(self, own: Set, tmp_path: Path) -> None:
        with pytest.raises(
            SchemaError, match=r"videos: expected a folder with the videos of 'clip_0', 'clip_1', 'clip_2'"
        ):
            own.open(videos=None)
        (own.videos / "clip_0.mp4").unlink()
        (own.videos / "clip_2.mp4").unlink()
        with pytest.raises(SchemaError, match=r"(?s)2 problems.*clip_0: expected it among 1 videos.*clip_2: .*\[no-v"):
            own.open()
        mapping = {"clip_0": tmp_path / "gone.mp4", "clip_1": own.videos / "clip_1.mp4"}
        with pytest.raises(
            SchemaError, match=r"(?s)2 problems.*gone\.mp4, got no such file.*clip_2: expected its path"
        ):
            own.open(videos=mapping)
        with pytest.raises(StorageError, match=r"nowhere: cannot open: no such file or folder"):
            own.open(videos=tmp_path / "nowhere")
        with pytest.raises(SchemaError, match=r"expected a path for each name, got something else for 'clip_0'"):
            own.open(videos={"clip_0": {"deeper": "x.mp4"}})

    def test_digests_tell_videos_of_one_name_apart_and_find_renamed_ones(self, own: Set) -> None:
        (own.videos / "a").mkdir()
        shutil.copy(own.videos / "clip_2.mp4", own.videos / "a" / "clip_0.mp4")
        (own.videos / "clip_0.mp4").rename(own.videos / "clip_0.mkv")
        shutil.copy(own.videos / "clip_2.mp4", own.videos / "clip_0.mp4")
        (own.videos / "clip_1.mp4").rename(own.videos / "renamed.mp4")
        windows = own.open()
        np.testing.assert_array_equal(windows.gather([0, 30, 60])["images"], own.expected([0, 30, 60]))
        windows.close()

    def test_without_digests_several_of_one_name_are_refused(self, tmp_path: Path) -> None:
        clip(tmp_path / "videos" / "clip_0.mp4")
        clip(tmp_path / "videos" / "clip_0.mkv")
        lapsdata.write(tmp_path / "a.h5", tracks_of(SourceVideo(name="clip_0")))
        with pytest.raises(SchemaError, match=r"clip_0: expected one video of this name, got .*clip_0\.m.*, .*clip_0"):
            open_windows(tmp_path / "a.h5", keys=BOTH, videos=tmp_path / "videos")

    def test_one_name_for_different_videos(self, own: Set) -> None:
        other = SourceVideo(name="clip_0", digest="sha256:" + 64 * "0")
        lapsdata.write(own.tracks / "z.h5", tracks_of(other))
        with pytest.raises(
            SchemaError, match=r"(?s)clip_0: expected one video of this name, the tracks are of several"
        ):
            own.open(videos={f"clip_{n}": own.videos / f"clip_{n}.mp4" for n in range(3)})
        lapsdata.write(own.tracks / "z.h5", tracks_of(SourceVideo(name="clip_0")), overwrite=True)
        with pytest.raises(SchemaError, match=r"clip_0: expected tracks of one video to agree about its digest"):
            own.open()

    def test_two_files_of_tracks_share_their_video(self, own: Set) -> None:
        shutil.copy(own.tracks / "clip_0.h5", own.tracks / "clip_9.h5")
        windows = own.open()
        images = windows.gather([3, 66])["images"]
        np.testing.assert_array_equal(images[0], images[1])
        assert windows._frames is not None
        assert windows._frames.decoded == HORIZON
        windows.close()

    def test_a_digest_is_compared_once_in_a_process(self, own: Set, monkeypatch: pytest.MonkeyPatch) -> None:
        compared: list[Any] = []

        def counted(path: Any) -> str:
            compared.append(path.name)
            return source_digest(path)

        monkeypatch.setattr("lapsdata.video.sources.source_digest", counted)
        windows = own.open(verify="always", image_cache_bytes=0)
        for ids in ([0, 30], [30, 4], [60, 0]):
            windows.gather(ids)
        assert compared == ["clip_0.mp4", "clip_1.mp4", "clip_2.mp4"]
        windows.close()

    def test_another_video_is_refused_unless_nothing_is_verified(self, own: Set) -> None:
        clip(own.videos / "clip_1.mp4", 111)
        windows = own.open()
        windows.gather([0])
        with pytest.raises(
            SchemaError,
            match=r"clip_1\.mp4: .* name the clip_1 that was tracked, or, if this one is damaged, a copy; or verify",
        ):
            windows.gather([0, 30])
        windows.close()
        windows = own.open(verify="never")
        np.testing.assert_array_equal(windows.gather([21])["images"][0], images_of(own.videos / "clip_1.mp4")[:4])
        assert "3 of them not compared with a digest" in repr(windows)
        windows.close()

    def test_several_views_have_videos_of_their_own(self, tmp_path: Path) -> None:
        left, right = clip(tmp_path / "left" / "clip_0.mp4", 30), clip(tmp_path / "right" / "clip_0.mp4", 90)
        path = tmp_path / "a.zarr"
        video = SourceVideo(name="clip_0", digest=source_digest(left))
        made = sample_tracks(windows=5, horizon=HORIZON, views=("left", "right"), video=video)
        lapsdata.write(path, made)
        videos = {"left": left.parent, "right": {"clip_0": right}}
        windows = open_windows(path, keys=BOTH, videos=videos)
        batch = windows.gather([4, 2], fields=["images/right", "images/left"])
        for name, source in (("left", left), ("right", right)):
            expected = images_of(source)[np.array([4, 2])[:, None] + np.arange(HORIZON)]
            np.testing.assert_array_equal(batch[f"images/{name}"], expected)
        assert windows.views == ("left", "right")
        windows.close()
        with pytest.raises(
            SchemaError, match=r"expected a folder or a mapping for each of the views 'left', 'right', got"
        ):
            open_windows(path, keys=BOTH, videos=left.parent)
        one = open_windows(path, keys=BOTH, views=["right"], videos=right)
        np.testing.assert_array_equal(one.gather([4])["images"], batch["images/right"][:1])
        one.close()

    def test_images_in_a_folder_are_a_video(self, tmp_path: Path) -> None:
        pictures = np.random.default_rng(0).integers(0, 255, (COUNT, 48, 64, 3), np.uint8)
        (tmp_path / "clip_0").mkdir()
        for number, picture in enumerate(pictures):
            cv2.imwrite(str(tmp_path / "clip_0" / f"{number:04}.png"), picture[..., ::-1])
        lapsdata.write(tmp_path / "a.h5", tracks_of(SourceVideo(name="clip_0", rate=FrameRate(10))))
        for videos in (tmp_path, tmp_path / "clip_0"):
            windows = open_windows(tmp_path / "a.h5", keys=BOTH, videos=videos)
            np.testing.assert_array_equal(windows.gather([9])["images"][0], pictures[9:13])
            windows.close()

    def test_tracks_of_others_need_a_rate_and_a_size(self, three: Set, tmp_path: Path) -> None:
        path = tmp_path / "clip_1.hdf5"
        with h5py.File(path, "w") as file:
            file["root/default/tracks"] = np.zeros((COUNT - HORIZON, HORIZON, 5, 2), np.float32)
            file["root/default/vis"] = np.ones((COUNT - HORIZON, HORIZON, 5), np.float32)
        with pytest.raises(SchemaError, match=r"expected windows with times, .* give their rate .* rate=\.\.\."):
            open_windows(path, keys=BOTH, videos=three.videos, verify="never")
        with pytest.raises(SchemaError, match=r"expected a file that tells the size of its frames, .* image_size="):
            open_windows(path, keys=BOTH, videos=three.videos, rate=10, verify="never")
        windows = open_windows(path, keys=BOTH, videos=three.videos, rate=10, image_size=(48, 64), verify="never")
        np.testing.assert_array_equal(windows.gather([2])["images"], three.expected([23]))
        assert "0 frames resized to (48, 64)" in repr(windows)
        windows.close()


class TestWhichFrame:
    def write(self, folder: Path, tracks: Tracks, **video: Any) -> WindowDataset:
        clip(folder / "clip_0.mp4", **video)
        lapsdata.write(folder / "a.h5", tracks)
        return open_windows(folder / "a.h5", keys=BOTH, videos=folder / "clip_0.mp4")

    @pytest.mark.parametrize("shift_s", [0.0499, -0.0499])
    def test_a_time_within_half_of_an_interval_is_that_of_its_frame(self, tmp_path: Path, shift_s: float) -> None:
        windows = self.write(tmp_path, tracks_of(SourceVideo(name="clip_0"), shift_s=shift_s + 1), start_s=1.0)
        np.testing.assert_array_equal(windows.gather([7])["images"][0], images_of(tmp_path / "clip_0.mp4")[7:11])
        windows.close()

    def test_a_step_without_a_frame_names_video_time_and_nearest_frame(self, tmp_path: Path) -> None:
        windows = self.write(tmp_path, tracks_of(SourceVideo(name="clip_0"), shift_s=0.33))
        message = (
            r"clip_0\.mp4: step 1 of window 20: expected a frame within 0\.050000 s of 2\.430000 s, the nearest is "
            r"frame 23 at 2\.300000 s \(3 such steps\); name the clip_0 that was tracked \[no-frame-there\]"
        )
        with pytest.raises(SchemaError, match=message):
            windows.gather([2, 20])
        np.testing.assert_array_equal(windows.gather([17])["images"][0], images_of(tmp_path / "clip_0.mp4")[20:])
        windows.close()

    def test_a_time_between_two_frames_is_that_of_neither(self, tmp_path: Path) -> None:
        windows = self.write(tmp_path, tracks_of(SourceVideo(name="clip_0"), shift_s=0.05))
        with pytest.raises(
            SchemaError, match=r"step 0 of window 0: expected a frame within 0\.050000 s of 0\.050000 s"
        ):
            windows.gather([0])
        windows.close()

    def test_a_grid_of_another_video_is_refused(self, tmp_path: Path) -> None:
        made = sample_tracks(windows=8, horizon=HORIZON)
        clip(tmp_path / "clip_0.mp4")
        for source, window, told in (
            (
                [*range(10), 30],
                7,
                r"step 3 of window 7: expected frame 30 of 24 to be the one that is shown at 1\.000000 s",
            ),
            (
                range(1, 12),
                0,
                r"expected frame 1 of 24 to be the one that is shown at 0\.000000 s, the nearest is frame 0",
            ),
        ):
            header = made.header.model_copy(update={"resampled": True, "dropped_frames": 20})
            grid = np.array(source)
            tracks = Tracks(header, made.tracks, made.vis, made.start_index, made.frame_s, grid)
            lapsdata.write(tmp_path / "a.h5", tracks, overwrite=True)
            windows = open_windows(tmp_path / "a.h5", keys=BOTH, videos=tmp_path / "clip_0.mp4")
            with pytest.raises(SchemaError, match=told):
                windows.gather([window])
            windows.close()

    def test_the_size_is_that_of_the_tracks(self, tmp_path: Path) -> None:
        windows = self.write(tmp_path, tracks_of(SourceVideo(name="clip_0")), size=(96, 128))
        with pytest.raises(
            SchemaError, match=r"clip_0\.mp4: expected frames of 64x48 pixel as the tracks say, got 128x"
        ):
            windows.gather([0])
        windows.close()
        plain = images_of(tmp_path / "clip_0.mp4")
        for size in ((48, 64), (30, 50)):
            windows = open_windows(tmp_path / "a.h5", keys=BOTH, videos=tmp_path, image_size=size, image_steps=(-1,))
            small = [cv2.resize(plain[n + 3], size[::-1], interpolation=cv2.INTER_AREA) for n in (5, 0, 5)]
            np.testing.assert_array_equal(windows.gather([5, 0, 5])["images"][:, 0], np.stack(small))
            assert f"2 frames resized to {size}" in repr(windows)
            windows.close()

    def test_unlike_sizes_need_one_that_is_given(self, three: Set, tmp_path: Path) -> None:
        video = SourceVideo(name="wide")
        made = tracks_of(video)
        view = made.header.views["default"].model_copy(update={"size": Size(width=128, height=48)})
        header = made.header.model_copy(update={"views": {"default": view}})
        lapsdata.write(tmp_path / "wide.h5", Tracks(header, made.tracks, made.vis, made.start_index, made.frame_s))
        wide = clip(tmp_path / "wide.mp4", size=(48, 128))
        paths = [three.tracks / "clip_0.h5", tmp_path / "wide.h5"]
        videos = {"clip_0": three.videos / "clip_0.mp4", "wide": wide}
        message = (
            r"images: expected frames of one size, got '64x48 \(clip_0\)', '128x48 \(wide\)'; bring them to one: image"
        )
        with pytest.raises(SchemaError, match=message):
            open_windows(paths, keys=BOTH, videos=videos)
        windows = open_windows(paths, keys=BOTH, videos=videos, image_size=(24, 32), image_steps="middle")
        assert windows.gather([0, 21])["images"].shape == (2, 1, 24, 32, 3)
        windows.close()

    def test_options_at_fault(self, three: Set) -> None:
        faults: list[tuple[dict[str, Any], str]] = [
            ({"keys": "images"}, r"keys: expected some of \('tracks', 'images'\), got 'images'"),
            ({"keys": ("pictures",)}, r"keys: expected some of .* got \('pictures',\)"),
            (
                {"keys": ("tracks",)},
                r'videos: expected nothing where no images are asked for, .* write keys=\("tracks"',
            ),
            ({"keys": ("tracks",), "videos": None, "image_size": (3, 4)}, r"image_size: expected nothing"),
            ({"image_steps": "last"}, r"image_steps: expected some of \['all', 'first', 'middle'\] or numbers, got 'l"),
            ({"image_steps": (0, 4)}, r"image_steps: expected numbers from -4 to 3, got \(0, 4\)"),
            ({"image_steps": ()}, r"image_steps: expected numbers from -4 to 3, got \(\)"),
            ({"image_size": (0, 4)}, r"image_size: expected \(height, width\) in pixel, got \(0, 4\)"),
            (
                {"image_size": (4,), "open_videos": 0},
                r"(?s)2 problems.*image_size.*open_videos: expected a whole number",
            ),
            ({"image_cache_bytes": -1}, r"image_cache_bytes: expected a whole number from 0 on, got -1"),
        ]
        for options, told in faults:
            with pytest.raises(SchemaError, match=told):
                three.open(**options)


class TestWhatIsHeld:
    @LINUX
    def test_everything_is_given_back(self, three: Set) -> None:
        three.open().close()
        gc.collect()
        before = fds()
        windows = three.open(threads=2)
        windows.gather(np.arange(0, 63, 5))
        assert fds() > before
        windows.close()
        gc.collect()
        assert fds() == before
        np.testing.assert_array_equal(windows.gather([40])["images"], three.expected([40]))
        windows.close()
        assert fds() == before
        # Dropped without a word, and left behind by an error.
        windows = three.open(verify="never")
        windows.gather([0, 62])
        del windows
        gc.collect()
        assert fds() == before

    @LINUX
    def test_few_decoders_stay_open(self, three: Set) -> None:
        windows = three.open(open_videos=2, image_cache_bytes=0)
        windows.gather([0], fields=["tracks"])
        frames = windows._frames
        assert frames is not None
        for _ in range(3):
            for ids in ([0, 25, 50], [62], [1]):
                np.testing.assert_array_equal(windows.gather(ids)["images"], three.expected(ids))
                assert frames.open_videos <= 2
        windows.close()
        assert frames.open_videos == 0

    def test_delivered_frames_are_kept_up_to_a_number_of_bytes(self, three: Set) -> None:
        image = 48 * 64 * 3
        windows = three.open(image_cache_bytes=6 * image)
        frames = windows._frames
        assert frames is not None
        windows.gather([0, 1, 2])
        assert frames.decoded == 6
        windows.gather([0, 1, 2])
        assert frames.decoded == 6
        windows.gather([30])
        windows.gather([0, 1, 2])
        assert frames.decoded == 6 + 4 + 4
        windows.close()
        windows.gather([0])
        assert frames.decoded == 4
        windows.close()

    def test_what_is_delivered_is_the_users_own(self, three: Set) -> None:
        windows = three.open()
        windows.gather([3])["images"][:] = 0
        np.testing.assert_array_equal(windows.gather([3])["images"], three.expected([3]))
        windows.close()

    def test_a_video_that_was_replaced_is_refused(self, own: Set) -> None:
        windows = own.open(image_cache_bytes=0)
        windows.gather([0, 30])
        clip(own.videos / "clip_1.mp4", 111)
        windows.gather([0])
        with pytest.raises(
            StorageError, match=r"clip_1\.mp4: expected the video whose times were read, got another one"
        ):
            windows.gather([30])
        (own.videos / "clip_1.mp4").unlink()
        with pytest.raises(StorageError, match=r"clip_1\.mp4: cannot open: no such file"):
            windows.gather([30])
        windows.close()

    def test_a_frame_that_cannot_be_decoded_is_an_error_and_the_others_are_not(self, own: Set) -> None:
        path = own.videos / "clip_1.mp4"
        data = bytearray(path.read_bytes())
        # The second group of pictures; the first bytes of a frame tell its length.
        start = data.index(b"mdat") + 4
        middle = start + (len(data) - start) * 45 // 100
        data[middle : middle + 300] = bytes(300)
        path.write_bytes(data)
        windows = own.open(verify="never", image_cache_bytes=0)
        failed = 0
        for window in range(21, 42):
            try:
                windows.gather([window])
            except CorruptDataError as error:
                failed += "clip_1.mp4: frame" in str(error)
        assert 0 < failed < 21
        np.testing.assert_array_equal(windows.gather([21])["images"], own.expected([21]))
        windows.close()


class TestThreadsAndProcesses:
    def test_threads_share_a_data_set(self, three: Set) -> None:
        windows = three.open(open_videos=2, image_cache_bytes=100_000)

        def work(seed: int) -> bool:
            ids = np.random.default_rng(seed).integers(0, 63, 5)
            return bool((windows.gather(ids)["images"] == three.expected(ids)).all())

        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(work, range(40)))
        assert windows._frames is not None
        assert windows._frames.open_videos <= 2
        windows.close()

    def test_closing_amid_a_batch_leaves_nothing_open(self, three: Set) -> None:
        windows = three.open(image_cache_bytes=0)
        with ThreadPoolExecutor(2) as pool:
            batches = [pool.submit(windows.gather, np.arange(63)) for _ in range(6)]
            for _ in range(100):  # without a pause, batches do nothing but open again
                windows.close()
                time.sleep(0.002)
        for batch in batches:
            np.testing.assert_array_equal(batch.result()["images"], three.expected(np.arange(63)))
        windows.close()

    def test_a_pickled_data_set_opens_for_itself(self, three: Set) -> None:
        windows = three.open()
        windows.gather([0])
        copy = pickle.loads(pickle.dumps(windows))
        assert copy._frames.open_videos == 0
        np.testing.assert_array_equal(copy.gather([0, 61])["images"], three.expected([0, 61]))
        for each in (windows, copy):
            each.close()

    @pytest.mark.parametrize("method", ["fork", "spawn"])
    def test_a_data_set_in_use_works_in_a_child_and_in_its_parent(self, three: Set, method: str) -> None:
        if method not in multiprocessing.get_all_start_methods():
            pytest.skip(f"no {method} on this system")
        windows = three.open(image_cache_bytes=0)
        windows.gather([50, 4])
        with ProcessPoolExecutor(1 + (method == "fork"), multiprocessing.get_context(method)) as pool:
            sent = [pool.submit(windows.gather, ids) for ids in ([50, 3, 22], [4], [51, 60])]
            for ids in ([3, 22], [51], [5, 60]):
                np.testing.assert_array_equal(windows.gather(ids)["images"], three.expected(ids))
            for future, ids in zip(sent, ([50, 3, 22], [4], [51, 60]), strict=True):
                np.testing.assert_array_equal(future.result(60)["images"], three.expected(ids))
        windows.close()

    def test_workers_of_a_torch_loader(self, three: Set) -> None:
        windows = three.open(image_steps="first")
        windows.gather([0])
        sampler = BatchSampler(SequentialSampler(range(63)), 16, drop_last=False)
        loader: Any = DataLoader(windows, sampler=sampler, batch_size=None, num_workers=2)
        images = torch.cat([batch["images"] for batch in loader]).numpy()
        np.testing.assert_array_equal(images, three.expected(np.arange(63))[:, :1])
        windows.close()

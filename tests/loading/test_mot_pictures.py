"""Pictures of clips: each frame has the image of its number, wherever images lie and however many digits they have."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata.errors import CorruptDataError, LapsWarning, SchemaError, StorageError
from lapsdata.loading import Loader, open_mot
from tests.loading.clips_by_hand import HEIGHT, WIDTH, picture, put_images, put_root, put_video, walked

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.loading import MotDataset


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two sequences; images of the second have more digits and numbers that no frame has."""
    folder = put_root(tmp_path / "train", [walked("a", 5), walked("b", 4)])
    put_images(folder / "a" / "img1", [1, 2, 3, 4, 5])
    put_images(folder / "b" / "img1", list(range(8)), 1, digits=8)
    return folder


def assert_pictures(clips: MotDataset, ids: list[int], levels: int = 0) -> None:
    batch = clips.gather(ids)
    assert batch["images"].shape == (len(ids), clips.spec["frame_number"].shape[0], HEIGHT, WIDTH, 3)
    for at, sequence in enumerate(batch["sequence"].tolist()):
        for turn, number in enumerate(batch["frame_number"][at].tolist()):
            off = np.abs(batch["images"][at, turn].astype(int) - picture(sequence, number))
            assert off.max() <= levels, (sequence, number)


class TestFolders:
    def test_each_frame_has_the_image_of_its_number(self, root: Path) -> None:
        clips = open_mot(root, clip=2, max_interval=2)
        assert next(iter(clips.spec)) == "images"
        assert clips.spec["images"].shape == (2, HEIGHT, WIDTH, 3)
        assert_pictures(clips, [6, 0, 3, 4, 0])
        clips.close()
        assert_pictures(clips.at_epoch(1), [0, 5])

    @pytest.mark.parametrize("threads", [1, 3])
    def test_threads_processes_and_loaders_give_the_same(self, root: Path, threads: int) -> None:
        clips = open_mot(root, clip=2, threads=threads, cache_bytes=0)
        assert_pictures(pickle.loads(pickle.dumps(clips)), list(range(7)))
        seen = {
            int(one): image
            for batch in Loader(clips, batch_size=3, shuffle="block", workers=threads - 1)
            for one, image in zip(batch["id"], batch["images"], strict=True)
        }
        assert sorted(seen) == list(range(7))
        np.testing.assert_array_equal(seen[4][0], picture(1, 1))

    def test_without_pictures_nothing_is_opened(self, root: Path) -> None:
        clips = open_mot(root, clip=2)
        (root / "a" / "img1" / "000001.png").write_bytes(b"")
        assert list(clips.gather([0], fields=["truth/box"])) == ["truth/box"]
        with pytest.raises(CorruptDataError, match=r"000001\.png"):
            clips.gather([0])

    def test_they_are_looked_for_where_files_and_users_say(self, root: Path) -> None:
        of_file = open_mot(root / "a" / "gt" / "gt.txt", clip=5)
        np.testing.assert_array_equal(of_file.gather([0])["images"][0, 4], picture(0, 5))
        named = {"a": root / "b" / "img1", "b": root / "a" / "img1"}
        turned = open_mot(root, clip=2, images=named)
        np.testing.assert_array_equal(turned.gather([0])["images"][0, 0], picture(1, 1))
        alone = open_mot(root / "a", clip=2, images=root / "a" / "img1")
        assert_pictures(alone, [3])
        elsewhere = open_mot(root, clip=2, images=root.parent)
        assert_pictures(elsewhere, [1, 5])

    def test_boxes_in_memory_do_not_say_where(self, root: Path, tmp_path: Path) -> None:
        from lapsdata.adapters import expect_boxes

        boxes = expect_boxes(root).boxes
        with pytest.raises(
            SchemaError, match=r"found none of 'a', 'b' below boxes that come from no file.*images=False"
        ):
            open_mot(boxes, clip=2)
        assert_pictures(open_mot(boxes, clip=2, images=str(root)), [0, 6])
        with pytest.raises(SchemaError, match="expected a place for each sequence, got none of 'b'"):
            open_mot(boxes, clip=2, images={"a": root / "a" / "img1"})
        with pytest.raises(SchemaError, match="images: expected a path, got 5"):
            open_mot(boxes, clip=2, images=5)  # type: ignore[arg-type]
        with pytest.raises(SchemaError, match=r"b: expected a folder of images or a video, got .*nothing"):
            open_mot(boxes, clip=2, images={"a": root / "a" / "img1", "b": tmp_path / "nothing"})

    def test_a_frame_without_an_image_is_told_at_opening(self, root: Path) -> None:
        (root / "b" / "img1" / "00000003.png").unlink()
        with pytest.raises(SchemaError, match="b: 1 of 4 frames have no image: 3; images are found by the numbers"):
            open_mot(root, clip=2)

    def test_images_that_came_or_went_are_not_taken_for_others(self, root: Path) -> None:
        clips = open_mot(root, clip=2)
        (root / "a" / "img1" / "000002.png").unlink()
        with pytest.warns(match="numbers are missing"), pytest.raises(StorageError, match="there at opening"):
            clips.gather([2])

    def test_a_size_that_nobody_tells_is_that_of_an_image(self, root: Path) -> None:
        (root / "a" / "seqinfo.ini").unlink()
        clips = open_mot(root / "a", clip=2)
        assert clips.gather([0])["frame_size"].tolist() == [[HEIGHT, WIDTH]]
        assert_pictures(clips, [0])


class TestSizes:
    def test_pictures_of_another_size_than_the_truth_says_are_refused(self, root: Path) -> None:
        put_root(root, [walked("a", 5), walked("b", 4)], imWidth=2 * WIDTH)
        clips = open_mot(root, clip=2)
        with pytest.raises(SchemaError, match="expected pictures of 128x48 pixel as the truth says, got 64x48"):
            clips.gather([0])

    def test_unlike_sizes_are_brought_to_one_or_opened_apart(self, root: Path) -> None:
        import cv2

        put_root(root, [walked("b", 4)], imWidth=2 * WIDTH)
        for path in (root / "b" / "img1").iterdir():
            assert cv2.imwrite(str(path), np.zeros((HEIGHT, 2 * WIDTH, 3), np.uint8))
        with pytest.raises(SchemaError, match=r"expected pictures of one size, got '64x48 \(a\)', '128x48 \(b\)'"):
            open_mot(root, clip=2)
        assert len(open_mot(root, clip=2, sequences=["b"])) == 3
        small = open_mot(root, clip=1, image_size=(24, 32), box_origin="edge")
        batch = small.gather([0, 5])
        assert batch["images"].shape == (2, 1, 24, 32, 3)
        np.testing.assert_array_equal(batch["images"][0, 0, 0, 0], picture(0, 1)[0, 0])
        # Half of 64 x 48, and a quarter by half of 128 x 48.
        assert batch["truth/box"][:, 0, 0].tolist() == [[1, 2, 6, 8], [0.5, 2, 3, 8]]


class TestVideos:
    def test_frames_of_a_video_are_counted(self, tmp_path: Path) -> None:
        root = put_root(tmp_path / "train", [walked("a", 6)])
        clips = open_mot(root, clip=2, images=put_video(tmp_path / "clip.mp4", [1, 2, 3, 4, 5, 6]))
        # A code of a video costs some levels; pictures of neighbours differ by 8.
        assert_pictures(clips, [4, 0, 2], levels=3)
        clips.close()

    def test_a_video_that_ends_early_is_refused(self, tmp_path: Path) -> None:
        root = put_root(tmp_path / "train", [walked("a", 6)])
        with pytest.raises(SchemaError, match="expected a picture of frame 5, got a video of 3 frames"):
            open_mot(root, clip=2, images=put_video(tmp_path / "clip.mp4", [1, 2, 3]))

    def test_a_video_that_goes_on_is_told(self, tmp_path: Path) -> None:
        """Regression: boxes of every second frame were shown on the frames of half of the time, without a word."""
        root = put_root(tmp_path / "train", [walked("a", 3)])
        with pytest.warns(LapsWarning, match="expected the 3 frames of a, got 6: the first ones are taken"):
            clips = open_mot(root, clip=2, images=put_video(tmp_path / "clip.mp4", [1, 2, 3, 4, 5, 6]))
        assert ["other-length" in note for note in clips.notes].count(True) == 1
        assert_pictures(clips, [1, 0], levels=3)
        clips.close()

    def test_a_video_that_is_replaced_by_a_shorter_one_is_refused(self, tmp_path: Path) -> None:
        root = put_root(tmp_path / "train", [walked("a", 3)])
        video = put_video(tmp_path / "clip.mp4", [1, 2, 3])
        clips = open_mot(root, clip=2, images=video)
        video.write_bytes(put_video(tmp_path / "other.mp4", [1, 2]).read_bytes())
        with pytest.raises(StorageError, match="expected the 3 frames that were there at opening, got other ones"):
            clips.gather([0])

    def test_a_video_that_the_truth_names_lies_beside_it(self, tmp_path: Path) -> None:
        from dataclasses import replace

        import lapsdata
        from lapsdata.adapters import expect_boxes

        boxes = expect_boxes(put_root(tmp_path / "train", [walked("a", 3)])).boxes
        named = boxes.header.sequences[0].model_copy(update={"images": "clip.mp4"})
        put_video(tmp_path / "clip.mp4", [1, 2, 3])
        header: Any = boxes.header.model_copy(update={"sequences": (named,)})
        lapsdata.write(tmp_path / "truth.parquet", replace(boxes, header=header))
        clips = open_mot(tmp_path / "truth.parquet", clip=3)
        assert_pictures(clips, [0], levels=3)
        clips.close()

"""Steps whose videos torchcodec decodes: those of PyAV in every way that is chosen, and told where they are not."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import subprocess
import sys
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lapsdata
from lapsdata.adapters.lerobot.converting import convert_set
from lapsdata.errors import LapsWarning, MissingExtraError, SchemaError, StorageError
from lapsdata.loading import Loader, StepDataset
from lapsdata.schema import StepSpec
from lapsdata.testing.episode_sets import CAMERA, drawn_frame, write_lerobot

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LENGTHS = (4, 6, 5)
DELTAS = {CAMERA: [-0.1, 0.0], "action": [0.0, 0.1]}
STEPS = sum(LENGTHS)


@pytest.fixture(scope="module", params=["v2.1", "v3.0", "shards"])
def root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("steps")
    if request.param == "shards":
        convert_set(write_lerobot(folder / "set", lengths=LENGTHS, videos=True), folder / "packed", "shards")
        return folder / "packed"
    return write_lerobot(folder / "set", version=request.param, lengths=LENGTHS, videos=True)


@pytest.fixture
def pair(root: Path, torchcodec: object) -> Iterator[tuple[StepDataset, StepDataset]]:
    one, other = lapsdata.open_steps(root, DELTAS), lapsdata.open_steps(root, DELTAS, decoder="torchcodec")
    yield one, other
    one.close()
    other.close()


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name], err_msg=name)


class TestSamples:
    @given(ids=st.lists(st.integers(0, STEPS - 1), min_size=1, max_size=9), threads=st.integers(1, 3))
    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_a_batch_is_that_of_pyav_in_any_order(
        self, pair: tuple[StepDataset, StepDataset], ids: list[int], threads: int
    ) -> None:
        assert_same(pair[0].gather(ids), pair[1].gather(ids, threads=threads))

    def test_a_frame_is_the_one_that_was_drawn_for_its_row(self, pair: tuple[StepDataset, StepDataset]) -> None:
        for index in np.random.default_rng(0).permutation(STEPS).tolist():
            sample = pair[1][index]
            episode, row = int(sample["episode_index"]), int(sample["frame_index"])
            for image, at in zip(sample[CAMERA].numpy(), (max(row - 1, 0), row), strict=True):
                # Encoding costs a level or two; frames of a row or an episode apart differ by 7 and more.
                assert np.abs(image.transpose(1, 2, 0).astype(int) - drawn_frame(episode, at)).max() <= 2

    def test_floats_and_chosen_episodes(self, root: Path, torchcodec: object) -> None:
        options: dict[str, Any] = {"episodes": [2, 0], "image_type": "float32"}
        one, other = (lapsdata.open_steps(root, DELTAS, decoder=name, **options) for name in ("pyav", "torchcodec"))
        assert_same(one.gather(range(9)), other.gather(range(9)))

    def test_rows_that_begin_at_one_period_have_the_frame_of_their_number(
        self, tmp_path: Path, torchcodec: object
    ) -> None:
        root = write_lerobot(tmp_path / "set", version="v2.0", lengths=LENGTHS, videos=True, start_s=0.1)
        steps = lapsdata.open_steps(root, {CAMERA: [0]}, decoder="torchcodec")
        with pytest.warns(LapsWarning, match=r"rows are 0\.1 s later than the frames .* \[time-offset\]"):
            last = steps.gather([STEPS - 1])[CAMERA]
        assert np.abs(last[0].transpose(1, 2, 0).astype(int) - drawn_frame(2, 4)).max() <= 2

    def test_a_row_without_a_frame_at_its_time_is_the_same_error(self, tmp_path: Path, torchcodec: object) -> None:
        root = write_lerobot(tmp_path / "set", version="v3.0", lengths=LENGTHS, videos=True)
        told = []
        for decoder in ("pyav", "torchcodec"):
            steps = lapsdata.open_steps(root, {CAMERA: [0]}, tolerance_s=1e-9, decoder=decoder)  # type: ignore[arg-type]  # one of them
            steps.meta.episodes.video_start_s[CAMERA].flags.writeable = True
            steps.meta.episodes.video_start_s[CAMERA][:] += 0.03
            with pytest.raises(SchemaError, match=r"fewer-frames|no-frame-there") as caught:
                steps.gather([1])
            told.append(str(caught.value))
        assert told[0] == told[1]


class TestPool:
    def test_what_is_kept_is_not_decoded_again(self, pair: tuple[StepDataset, StepDataset]) -> None:
        steps = pair[1]
        steps.gather([7, 3])
        decoded = steps.decoded
        steps.gather([7, 3])
        assert (steps.decoded, steps.kept) == (decoded, 4)
        steps.close()
        assert_same(steps.gather([7, 3]), pair[0].gather([7, 3]))

    @pytest.mark.parametrize("images", [0, 1, 3])
    def test_no_more_bytes_are_kept_than_are_allowed(self, root: Path, torchcodec: object, images: int) -> None:
        one = 48 * 64 * 3
        steps = lapsdata.open_steps(root, {CAMERA: [0]}, decoder="torchcodec", cache_bytes=images * one)
        for ids in ([0, 1], [2, 3], [0, 3]):
            steps.gather(ids)
            assert steps._images.pool.cache._held <= images * one
        assert steps.decoded + steps.kept == 6
        assert (steps.kept > 0) == (images > 0)

    def test_no_more_decoders_are_open_than_are_allowed(self, root: Path, torchcodec: object) -> None:
        steps = lapsdata.open_steps(root, {CAMERA: [0]}, decoder="torchcodec", open_videos=1, cache_bytes=0)
        for index in (0, 14, 5, 1):
            steps.gather([index])
            assert len(steps._images.pool.decoders) == 1

    def test_a_group_of_pictures_is_decoded_once_in_a_batch(
        self, tmp_path: Path, torchcodec: object, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from torchcodec.decoders import VideoDecoder

        asked: list[int] = []
        plain = VideoDecoder.get_frame_at

        def noted(decoder: Any, index: int) -> Any:
            asked.append(index)
            return plain(decoder, index)

        root = write_lerobot(tmp_path / "set", version="v3.0", lengths=(8,), videos=True)
        steps = lapsdata.open_steps(root, {CAMERA: [-0.1, 0]}, decoder="torchcodec")
        monkeypatch.setattr(VideoDecoder, "get_frame_at", noted)
        steps.gather([6, 1, 4, 1])
        # The first one is that which PyAV's is compared with.
        assert asked == [0, 0, 1, 3, 4, 5, 6]

    def test_a_video_that_was_replaced_is_refused(self, tmp_path: Path, torchcodec: object) -> None:
        root = write_lerobot(tmp_path / "set", version="v3.0", lengths=LENGTHS, videos=True)
        steps = lapsdata.open_steps(root, {CAMERA: [0]}, decoder="torchcodec", cache_bytes=0)
        steps.gather([0])
        (video,) = root.rglob("*.mp4")
        stored = video.read_bytes()
        video.unlink()
        video.write_bytes(stored + b"\0")
        with pytest.raises(StorageError, match=r"expected the video whose times were read, got another one"):
            steps.gather([0])


class TestProcesses:
    def test_a_data_set_in_use_is_sent_and_forked(self, pair: tuple[StepDataset, StepDataset]) -> None:
        steps = pair[1]
        steps.gather([6, 0])
        assert_same(pickle.loads(pickle.dumps(steps)).gather([6, 1]), pair[0].gather([6, 1]))
        if "fork" not in multiprocessing.get_all_start_methods():
            pytest.skip("there is no fork here")
        loader = torch.utils.data.DataLoader(
            steps, batch_size=4, num_workers=2, multiprocessing_context=multiprocessing.get_context("fork")
        )
        images = torch.cat([batch[CAMERA] for batch in loader]).numpy()
        np.testing.assert_array_equal(images, pair[0].gather(range(STEPS))[CAMERA])
        np.testing.assert_array_equal(images[3:9], steps.gather(range(3, 9))[CAMERA])

    def test_a_loader_says_what_torchcodec_does_with_damage(self, pair: tuple[StepDataset, StepDataset]) -> None:
        assert pair[0].notes == ()
        told = (
            "decoder: torchcodec paints over damage in videos, which PyAV refuses; `lapsdata check --decode` finds it"
        )
        assert pair[1].notes == (f"{told} [damage-unseen]",)
        plan = Loader(pair[1], global_batch_size=4, seed=1).plan()
        assert f"note: {told}" in str(plan)


class TestSpecification:
    def test_it_is_part_of_what_a_checkpoint_carries(self, root: Path, pair: tuple[StepDataset, StepDataset]) -> None:
        plain, other = (steps.specification for steps in pair)
        assert (plain.decoder, other.decoder) == ("pyav", "torchcodec")
        assert plain.digest != other.digest
        assert pair[0].fingerprint != pair[1].fingerprint
        again = StepDataset.from_spec(root, StepSpec.parse(other.to_bytes()))
        assert_same(again.gather([9, 2]), pair[1].gather([9, 2]))
        again.require(other)
        with pytest.raises(SchemaError, match=r"specification: decoder: expected 'pyav', got 'torchcodec'"):
            again.require(plain)
        with pytest.raises(SchemaError, match="expected what the specification does not decide, got decoder"):
            StepDataset.from_spec(root, plain, decoder="torchcodec")

    def test_one_of_before_there_was_a_choice_is_one_of_pyav(self, root: Path) -> None:
        spec = lapsdata.open_steps(root, DELTAS).specification
        told = spec.as_json()
        del told["decoder"]
        assert StepSpec.parse(json.dumps(told)).digest == spec.digest

    def test_without_torchcodec_it_cannot_be_followed(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        told = lapsdata.open_steps(root, DELTAS).specification.as_json() | {"decoder": "torchcodec"}
        spec = StepSpec.parse(json.dumps(told))
        monkeypatch.setitem(sys.modules, "torchcodec", None)
        with pytest.raises(MissingExtraError, match=r"pip install 'lapsdata\[torchcodec\]'"):
            StepDataset.from_spec(root, spec)


class TestChoice:
    def test_words_that_are_none(self, root: Path) -> None:
        message = r"decoder: expected one of 'pyav', 'torchcodec', got 'auto'"
        with pytest.raises(SchemaError, match=message):
            lapsdata.open_steps(root, decoder="auto")  # type: ignore[arg-type]  # that is the test

    def test_colours_that_it_cannot_make(self, root: Path) -> None:
        message = r"pixels: expected 'rgb_quick', which is how torchcodec makes colours, got 'rgb'; leave it out"
        with pytest.raises(SchemaError, match=message):
            lapsdata.open_steps(root, decoder="torchcodec", pixels="rgb")

    def test_that_it_is_absent_is_told_before_anything_is_read(
        self, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "torchcodec", None)
        with pytest.raises(MissingExtraError, match=r"decoder: expected the package torchcodec, got no such package"):
            lapsdata.open_steps(root, decoder="torchcodec")
        assert len(lapsdata.open_steps(root)) == STEPS

    def test_nothing_of_it_is_imported_unless_it_is_asked_for(self, tmp_path: Path) -> None:
        """And without an FFmpeg it says so: this process has no path to the one of the tests."""
        root = write_lerobot(tmp_path / "set")
        script = (
            "import ctypes.util, sys, lapsdata\n"
            "from lapsdata.errors import MissingExtraError\n"
            "lapsdata.open_steps(sys.argv[1]).gather([0])\n"
            "assert 'torchcodec' not in sys.modules\n"
            "try:\n    lapsdata.open_steps(sys.argv[1], decoder='torchcodec')\n"
            "except MissingExtraError as error:\n    print(error.problems[0].code)\n"
            "else:\n    print('used' if ctypes.util.find_library('avutil') else 'where from?')\n"
        )
        plain = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
        done = subprocess.run(
            [sys.executable, "-c", script, str(root)], env=plain, capture_output=True, text=True, check=False
        )
        assert done.stdout.strip() in {"no-ffmpeg", "missing-extra", "used"}, done.stderr


def test_other_colours_are_told_once_for_a_camera(tmp_path: Path, torchcodec: object) -> None:
    root = write_lerobot(tmp_path / "set", version="v2.1", lengths=LENGTHS, videos=True)
    for episode, video in enumerate(sorted(root.rglob("*.mp4"))):
        video.unlink()
        with av.open(str(video), "w") as output:
            made: Any = output.add_stream("libsvtav1", rate=10, options={"preset": "12", "svtav1-params": "lp=1"})
            made.width, made.height, made.pix_fmt, made.codec_context.color_range = 64, 48, "yuv420p", 2
            for row in range(LENGTHS[episode]):
                frame = av.VideoFrame.from_ndarray(drawn_frame(episode, row), "rgb24").reformat(format="yuv420p")
                frame.pts, frame.time_base = row, Fraction(1, 10)
                output.mux(made.encode(frame))
            output.mux(made.encode(None))
    steps = lapsdata.open_steps(root, {CAMERA: [0]}, decoder="torchcodec")
    message = r"episode_000000\.mp4: .*: the first frame is up to \d+ of 255 levels off .*\[other-colours\]"
    with pytest.warns(LapsWarning, match=message) as told:
        steps.gather(range(STEPS))
    assert len(told) == 1

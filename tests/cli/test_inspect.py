"""`lapsdata inspect`: files of ours, foreign HDF5, videos; in one screen, as JSON and as a picture."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from fractions import Fraction
from subprocess import CompletedProcess
from typing import TYPE_CHECKING

import cv2
import h5py
import numpy as np
import pytest

import lapsdata as front_door
from lapsdata.cli.main import main
from lapsdata.provenance import path_digest
from lapsdata.report import contact_sheet, draw_tracks
from lapsdata.schema import SourceVideo
from lapsdata.schema.tracks import BackError, Measured, TrackQuality
from lapsdata.testing import samples
from lapsdata.testing.demo_files import write_robomimic
from lapsdata.testing.scenes import SceneConfig, render_scene
from lapsdata.video.writer import write_video

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lapsdata.containers import Container

    Run = Callable[..., CompletedProcess[str]]

FILES: dict[str, tuple[str, Callable[[], Container]]] = {
    "clip.h5": ("tracks_hdf5", samples.sample_tracks),
    "clip.zarr": ("tracks_zarr", samples.sample_tracks),
    "tokens.zarr": ("tokens_zarr", samples.sample_tokens),
    "clips.jsonl": ("energies_jsonl", samples.sample_energies),
    "segments.parquet": ("segments_parquet", samples.sample_segments),
    "boxes.parquet": ("boxes_parquet", samples.sample_boxes),
}
LONG = "x" * 300


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `lapsdata` as the `lapsdata` fixture does, but in this process: a tenth of the time."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lapsdata.cli.main.console.prepare", lambda: None)

    def command(*arguments: str) -> CompletedProcess[str]:
        monkeypatch.setattr("lapsdata.console._kept", None)
        monkeypatch.setattr(sys, "argv", ["lapsdata", *arguments])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        shown = capsys.readouterr()
        return CompletedProcess(arguments, code, shown.out, shown.err)

    return command


@pytest.mark.parametrize("name", FILES)
def test_inspect_shows_any_file_of_ours_in_one_screen(here: Run, tmp_path: Path, name: str) -> None:
    expected, sample = FILES[name]
    front_door.write(tmp_path / name, sample())
    done = here("inspect", name)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    # Of boxes the sequences stand in a table below.
    facts = dict(line.split(maxsplit=1) for line in lines[: lines.index("") if "" in lines else None])
    assert facts["file"] == name
    assert facts["format"].startswith(f"{expected} {sample().header.format_version}, {sample().nbytes:,} bytes")
    for fact, value in sample().facts().items():
        assert " ".join(facts[fact.split()[0]].split()).endswith(value)


def test_the_quality_of_tracks_is_part_of_the_screen(here: Run, tmp_path: Path) -> None:
    quality = TrackQuality(
        measured=Measured(windows=3, points=15, steps=60),
        back_error_px=BackError(median=0.1234, p95=12.345),
        survival=0.875,
        visible=0.9,
        static=0.6001,
        static_below_px=1.5,
        untextured=0.25,
    )
    sample = samples.sample_tracks(views=("left", "right"))
    views = {name: view.model_copy(update={"quality": quality}) for name, view in sample.header.views.items()}
    front_door.write(tmp_path / "clip.h5", replace(sample, header=sample.header.model_copy(update={"views": views})))
    lines = here("inspect", "clip.h5").stdout.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 100
    text = "\n".join(lines)
    for told in ("0.12 px", "12.35", "87.5% survive", "60.0% static", "25.0% untextured"):
        assert text.count(told) == 2


def test_inspect_as_json_holds_the_whole_header(here: Run, tmp_path: Path) -> None:
    front_door.write(tmp_path / "clip.h5", samples.sample_tracks())
    document = json.loads(here("inspect", "clip.h5", "--json").stdout)
    assert document["format"] == "tracks_hdf5"
    assert document["header"] == samples.sample_tracks().header.as_json()
    assert document["facts"]["default/vis"] == "bool (3, 4, 5)"
    assert document["problems"] == []


def test_inspect_finds_a_flipped_bit(lapsdata: Run, tmp_path: Path) -> None:
    target = tmp_path / "clip.h5"
    front_door.write(target, samples.sample_tracks())
    with h5py.File(target) as file:
        offset = file["root/default/tracks"].id.get_offset()
    content = bytearray(target.read_bytes())
    content[offset] ^= 1
    target.write_bytes(content)
    done = lapsdata("inspect", "clip.h5", "--json")
    assert done.returncode == 1
    assert [problem["severity"] for problem in json.loads(done.stdout)["problems"]] == ["error"]
    assert done.stderr == ""


def test_inspect_of_a_foreign_file_says_what_to_do(here: Run, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "theirs.h5", "w") as file:
        file["x"] = np.arange(3.0)
    done = here("inspect", "theirs.h5")
    assert done.returncode == 1
    assert "lapsdata inspect FILE --low-level" in done.stderr


def test_low_level_inspection_looks_at_one_item(lapsdata: Run, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "theirs.h5", "w") as file:
        file["x"] = np.array([[1, 2], [3, 5]], ">f4")
    done = lapsdata("inspect", "theirs.h5", "--low-level", "--pick", "1")
    assert (done.returncode, done.stderr) == (0, "")
    row, item, reach = done.stdout.splitlines()[1:]
    assert row.split()[:2] == ["/x", "(2,"]
    assert "float 4B big" in row
    assert "min 3, max 5, mean 4, NaN 0" in item
    assert reach.startswith("rung: what reads the first value of a dataset")


def test_low_level_inspection_as_json(here: Run, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "theirs.h5", "w") as file:
        file["x"] = np.zeros(3, "f4")
    document = json.loads(here("inspect", "theirs.h5", "--low-level", "--json").stdout)
    assert document["path"] == "theirs.h5"
    assert len(document["datasets"]) == 1
    assert document["problems"] == []


@pytest.mark.parametrize("mode", [(), ("--low-level",)], ids=["whole", "low-level"])
@pytest.mark.parametrize(
    ("name", "code"),
    [("absent.h5", "not-found"), (LONG, "wrong-name"), ("circle", "wrong-name"), ("pipe", "wrong-kind")],
)
def test_a_path_that_cannot_be_read_has_one_code_in_both_modes(
    here: Run, tmp_path: Path, name: str, code: str, mode: tuple[str, ...]
) -> None:
    (tmp_path / "circle").symlink_to("circle")
    os.mkfifo(tmp_path / "pipe")
    done = here("inspect", name, *mode, "--json")
    assert (done.returncode, done.stderr) == (1, "")
    assert [problem["code"] for problem in json.loads(done.stdout)["problems"]] == [code]


def test_inspect_reads_a_file_as_the_format_that_is_named(here: Run, tmp_path: Path) -> None:
    front_door.write(tmp_path / "clip.h5", samples.sample_tracks())
    assert "tracks_hdf5" in here("inspect", "clip.h5", "--format", "tracks_hdf5").stdout
    wrong = here("inspect", "clip.h5", "--format", "boxes_parquet")
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("error: clip.h5: ")
    unknown = here("inspect", "clip.h5", "--format", "tracks_hdf")
    assert (unknown.returncode, "[unknown-name]" in unknown.stderr) == (1, True)
    assert here("inspect", "clip.h5", "--format", "tracks_hdf5", "--low-level").returncode == 2


def test_low_level_inspection_takes_no_url(here: Run) -> None:
    done = here("inspect", "https://example.org//a.h5", "--low-level")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: https://example.org//a.h5: expected a file of this machine for --low-level, got a URL; "
        "download it first [not-local]\n"
    )


def test_a_format_of_ours_is_not_read_from_a_url(here: Run, tmp_path: Path) -> None:
    front_door.write(tmp_path / "clip.h5", samples.sample_tracks())
    url = f"file://{tmp_path}/clip.h5"
    named = here("inspect", url, "--format", "tracks_hdf5")
    assert named.returncode == 1
    assert "expected a tracks_hdf5 of this machine, got a URL; download it first [not-local]" in named.stderr
    done = here("inspect", url)
    assert done.returncode == 1
    assert f"error: {url}: expected a video, got " in done.stderr
    assert "; check the URL; download it first if it is a file of ours [not-a-video]" in done.stderr


def test_hostile_names_stay_in_their_line(lapsdata: Run, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a\n\x1b[31m.h5", "w") as file:
        file["x\n\x1b[31m"] = np.zeros(3, "f4")
        file["y\n"] = h5py.SoftLink("/no\nwhere")
    shown = lapsdata("inspect", "a\n\x1b[31m.h5", "--low-level")
    assert len(shown.stdout.splitlines()) == 5
    assert "\x1b" not in shown.stdout
    told = lapsdata("inspect", "a\n\x1b[31m.h5")
    assert len(told.stderr.splitlines()) == 1
    assert told.stderr.startswith(r"error: a\n\x1b[31m.h5: ")


def test_inspect_says_what_it_reads(here: Run) -> None:
    text = " ".join(here("inspect", "--help").stdout.split())
    assert "it is read into memory, however large it is" in text
    assert "Of a video the packets are read, and no frame is decoded; of a folder of images, the first is." in text


@pytest.fixture(scope="module")
def grey() -> list[np.ndarray]:
    """Eight lossless frames of a frame that is not square, each of one level, brighter in its right half."""
    frames = [np.full((48, 80, 3), 20 * index, np.uint8) for index in range(8)]
    for frame in frames:
        frame[:, 40:] += 50
    return frames


@pytest.fixture
def clip(tmp_path: Path, grey: list[np.ndarray]) -> Path:
    write_video(tmp_path / "clip.mkv", grey, np.arange(8) / 10, codec="ffv1", gop=3)
    return tmp_path / "clip.mkv"


def test_inspect_of_a_video_is_one_screen(lapsdata: Run, clip: Path) -> None:
    done = lapsdata("inspect", "clip.mkv")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"file       clip.mkv, {clip.stat().st_size:,} bytes",
        "video      ffv1, bgr0, in matroska,webm",
        "size       80 x 48 pixel",
        "rate       10 fps, constant",
        "time base  1/1000 s",
        "frames     8",
        "time       0.000 to 0.800 s, 0.800 s long",
        "keyframes  3, longest GOP 3 frames",
        "order      stored as shown",
        "read       packets only: nothing was decoded, so damaged pictures are not found",
    ]


def test_inspect_of_a_video_as_json(here: Run, clip: Path) -> None:
    document = json.loads(here("inspect", "clip.mkv", "--json").stdout)
    assert (document["path"], document["format"], document["picture"]) == ("clip.mkv", "video", None)
    assert document["facts"]["rate"] == "10 fps, constant"
    assert document["video"] == {
        "name": "clip",
        "bytes": clip.stat().st_size,
        "codec": "ffv1",
        "container": "matroska,webm",
        "pixel_format": "bgr0",
        "coded_size": {"width": 80, "height": 48},
        "rotation": 0,
        "size": {"width": 80, "height": 48},
        "rate": "10",
        "variable": False,
        "time_base": "1/1000",
        "frames": 8,
        "start_s": 0.0,
        "end_s": pytest.approx(0.8),
        "duration_s": pytest.approx(0.8),
        "keyframes": 3,
        "gop": 3,
        "reordered": False,
    }


def test_a_video_behind_a_url_is_told_and_drawn_as_its_file(here: Run, tmp_path: Path, clip: Path) -> None:
    url = f"file://{clip}"
    (first, *local), (line, *far) = (here("inspect", place).stdout.splitlines() for place in ("clip.mkv", url))
    assert (first.removeprefix("file       clip.mkv"), local) == (line.removeprefix(f"file       {url}"), far)
    assert (
        here("inspect", url, "--png", "far.png").returncode == here("inspect", "clip.mkv", "--png", "a.png").returncode
    )
    assert (tmp_path / "far.png").read_bytes() == (tmp_path / "a.png").read_bytes()
    assert json.loads(here("inspect", url, "--json").stdout)["path"] == url
    gone = here("inspect", f"{url}.gone")
    assert (gone.returncode, gone.stdout) == (1, "")
    assert gone.stderr == f"error: {url}.gone: cannot open: no such file; check the URL [not-found]\n"


@pytest.fixture
def images(tmp_path: Path, grey: list[np.ndarray]) -> Path:
    (tmp_path / "images").mkdir()
    for number, frame in enumerate(grey):
        cv2.imwrite(str(tmp_path / "images" / f"{number:04d}.png"), frame)
    return tmp_path / "images"


def test_the_rate_of_silent_episodes_is_given_as_the_error_says(here: Run, tmp_path: Path) -> None:
    write_robomimic(tmp_path / "demo.hdf5", env_args={"env_name": "a"})
    refused = here("inspect", "demo.hdf5")
    assert "give --rate (rate= in Python)" in refused.stderr
    done = here("inspect", "demo.hdf5", "--rate", "20")
    assert (done.returncode, "at 20 per second" in done.stdout) == (0, True)


def test_a_folder_of_images_is_told_and_drawn(here: Run, tmp_path: Path, images: Path) -> None:
    size = sum(path.stat().st_size for path in images.iterdir())
    done = here("inspect", "images", "--fps", "20", "--png", "sheet.png", "--rows", "1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[:-1] == [
        f"file       images, {size:,} bytes",
        "video      png, rgb24, in images",
        "size       80 x 48 pixel",
        "rate       20 fps, constant",
        "time base  none",
        "frames     8",
        "time       0.000 to 0.400 s, 0.400 s long",
        "keyframes  8, longest GOP 1 frames",
        "order      stored as shown",
        "read       the first image only: no other was opened, so damaged pictures are not found",
    ]
    written = cv2.imread(str(tmp_path / "sheet.png"))
    assert written is not None
    assert (written[..., ::-1] == contact_sheet(images, rows=1, rate=20)).all()


def test_a_rate_is_for_folders_of_images_and_for_nothing_else(
    here: Run, tmp_path: Path, images: Path, clip: Path
) -> None:
    without = here("inspect", "images")
    assert (without.returncode, without.stdout) == (1, "")
    assert without.stderr == (
        "error: images: expected the rate of a folder of images, which carry no time, got none; "
        "give --fps, their numbers per second [no-times]\n"
    )
    front_door.write(tmp_path / "clip.h5", samples.sample_tracks())
    front_door.write(tmp_path / "clip.zarr", samples.sample_tracks())
    for name in ("clip.mkv", "clip.h5", "clip.zarr", f"file://{clip}"):
        done = here("inspect", name, "--fps", "20")
        assert (done.returncode, done.stdout) == (1, "")
        assert f"{name}: expected no rate for what has times of its own, got one; leave out --fps" in done.stderr
    assert here("inspect", "clip.h5", "--low-level", "--fps", "20").returncode == 2


def test_the_images_or_the_url_of_the_tracks_are_shown_behind_them(
    here: Run, tmp_path: Path, grey: list[np.ndarray]
) -> None:
    narrow = [frame[:, :64] for frame in grey]
    write_video(tmp_path / "clip.mkv", narrow, np.arange(8) / 10, codec="ffv1")
    (tmp_path / "images").mkdir()
    for number, frame in enumerate(narrow):
        cv2.imwrite(str(tmp_path / "images" / f"{number:04d}.png"), frame)
    for name, shown in (("clip.mkv", f"file://{tmp_path}/clip.mkv"), ("images", "images")):
        tracks = on_clip(tmp_path / name, path_digest(tmp_path / name))
        front_door.write(tmp_path / f"{name}.h5", tracks)
        done = here("inspect", f"{name}.h5", "--png", f"{name}.png", "--video", shown)
        assert (done.returncode, done.stderr) == (0, "")
        written = cv2.imread(str(tmp_path / f"{name}.png"))
        assert written is not None
        assert (written[..., ::-1] == draw_tracks(tracks, narrow)).all()
    wrong = here("inspect", "images.h5", "--png", "no.png", "--video", f"file://{tmp_path}/clip.mkv")
    assert wrong.returncode == 1
    assert f"file://{tmp_path}/clip.mkv: expected the video of the tracks, " in wrong.stderr


def test_inspect_tells_a_variable_rate_and_b_frames(here: Run, tmp_path: Path) -> None:
    scene = render_scene(5, SceneConfig(actions=1, vfr=True))
    scene.write_video(tmp_path / "clip.mp4")
    facts = dict(line.split("  ", 1) for line in here("inspect", "clip.mp4").stdout.splitlines())
    gaps = np.diff(scene.frame_s)
    told = f"variable: {1 / gaps.mean():.3f} fps on average, frames {gaps.min():.3f} to {gaps.max():.3f} s apart"
    assert facts["rate"].strip() == told
    assert Fraction(facts["time base"].strip().removesuffix(" s")) == Fraction(1, 90_000)
    assert facts["order"].strip() == "stored in another order than shown (B-frames)"


def test_a_contact_sheet_is_written_beside_the_facts(lapsdata: Run, tmp_path: Path, clip: Path) -> None:
    done = lapsdata("inspect", "clip.mkv", "--png", "sheet.png", "--columns", "4", "--rows", "1")
    assert (done.returncode, done.stderr) == (0, "")
    sheet = contact_sheet(clip, columns=4, rows=1)
    assert done.stdout.splitlines()[-1] == f"picture    sheet.png, {sheet.shape[1]} x {sheet.shape[0]} pixel"
    written = cv2.imread(str(tmp_path / "sheet.png"))
    assert written is not None
    assert (written[..., ::-1] == sheet).all()
    as_json = json.loads(lapsdata("inspect", "clip.mkv", "--png", "other.PNG", "--rows", "1", "--json").stdout)
    assert as_json["picture"]["path"] == "other.PNG"
    assert as_json["picture"]["width"] > as_json["picture"]["height"] > 0


def test_drawn_tracks_are_written_beside_the_facts(here: Run, tmp_path: Path) -> None:
    tracks = samples.sample_tracks(views=("left", "right"))
    front_door.write(tmp_path / "clip.h5", tracks)
    options = ("--window", "2", "--view", "right")
    done = here("inspect", "clip.h5", "--png", "one.png", *options)
    assert (done.returncode, done.stderr) == (0, "")
    written = cv2.imread(str(tmp_path / "one.png"))
    assert written is not None
    assert (written[..., ::-1] == draw_tracks(tracks, windows=[2], view="right")).all()
    assert done.stdout.splitlines()[-1].endswith(f"one.png, {written.shape[1]} x {written.shape[0]} pixel")
    assert here("inspect", "clip.h5", "--png", "all.png").returncode == 0


def on_clip(clip: Path, digest: str | None) -> front_door.Tracks:
    """Tracks of 64 x 48 pixels on a video that is cut to that size."""
    return samples.sample_tracks(video=SourceVideo(name=clip.stem, digest=digest))


def test_the_video_of_the_tracks_is_shown_behind_them(here: Run, tmp_path: Path, grey: list[np.ndarray]) -> None:
    write_video(tmp_path / "clip.mkv", [frame[:, :64] for frame in grey], np.arange(8) / 10, codec="ffv1")
    tracks = on_clip(tmp_path / "clip.mkv", path_digest(tmp_path / "clip.mkv"))
    front_door.write(tmp_path / "clip.h5", tracks)
    done = here("inspect", "clip.h5", "--png", "drawn.png", "--video", "clip.mkv")
    assert (done.returncode, done.stderr) == (0, "")
    written = cv2.imread(str(tmp_path / "drawn.png"))
    assert written is not None
    assert (written[..., ::-1] == draw_tracks(tracks, [frame[:, :64] for frame in grey])).all()


def test_another_video_behind_the_tracks_is_refused(here: Run, tmp_path: Path, clip: Path) -> None:
    digest = "sha256:" + "7" * 64
    front_door.write(tmp_path / "clip.h5", on_clip(clip, digest))
    done = here("inspect", "clip.h5", "--png", "drawn.png", "--video", "clip.mkv")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"error: clip.mkv: expected the video of the tracks, {digest}, got {path_digest(clip)}; "
        "name the clip that was tracked [wrong-video]\n"
    )
    assert not (tmp_path / "drawn.png").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("clip.h5", "--png", "a.jpg"), "expected a name that ends with .png, got a.jpg"),
        (("clip.h5", "--png", "a.png", "--low-level"), "only without --low-level"),
        (("clip.h5", "--video", "clip.mkv"), "only with --png"),
        (("clip.h5", "--window", "0"), "only with --png"),
        (("clip.h5", "--view", "default"), "only with --png"),
        (("clip.h5", "--columns", "2"), "only with --png"),
        (("clip.h5", "--overwrite"), "only with --png"),
        (("clip.h5", "--png", "a.png", "--window", "0", "--rows", "2"), "one window is one picture"),
        (("clip.h5", "--png", "a.png", "--rows", "0"), "greater than or equal to 1"),
        (("clip.mkv", "--png", "a.png", "--window", "0"), "only for tracks: clip.mkv is a video"),
        (("clip.mkv", "--png", "a.png", "--video", "clip.mkv"), "only for tracks: clip.mkv is a video"),
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(
    here: Run, tmp_path: Path, clip: Path, arguments: tuple[str, ...], told: str
) -> None:
    front_door.write(tmp_path / "clip.h5", samples.sample_tracks())
    before = sorted(tmp_path.iterdir())
    done = here("inspect", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in " ".join(done.stderr.split())
    assert sorted(tmp_path.iterdir()) == before


def test_an_existing_picture_stays_unless_told_otherwise(here: Run, tmp_path: Path, clip: Path) -> None:
    (tmp_path / "a.png").write_text("mine")
    done = here("inspect", "clip.mkv", "--png", "a.png")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: a.png: expected a free name, got an existing one; pass --overwrite to replace it [exists]\n"
    )
    assert (tmp_path / "a.png").read_text() == "mine"
    assert here("inspect", "clip.mkv", "--png", "a.png", "--overwrite").returncode == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_what_has_no_picture_says_so(here: Run, tmp_path: Path) -> None:
    front_door.write(tmp_path / "match.parquet", samples.sample_boxes())
    done = here("inspect", "match.parquet", "--png", "a.png")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        "error: match.parquet: expected a video, tracks or episodes to draw, got boxes (boxes_parquet)"
    )
    front_door.write(tmp_path / "clip.h5", samples.sample_tracks())
    missing = here("inspect", "clip.h5", "--png", "absent/a.png")
    assert missing.returncode == 1
    assert "absent/a.png: cannot write: no such file or folder" in missing.stderr
    late = here("inspect", "clip.h5", "--png", "a.png", "--window", "3")
    assert (late.returncode, "windows: expected 0 to 2, got 3" in late.stderr) == (1, True)


def test_a_frame_that_cannot_be_decoded_is_no_picture(lapsdata: Run, tmp_path: Path, clip: Path) -> None:
    content = bytearray(clip.read_bytes())
    # The checksum of a slice of the last frame: the container stays whole.
    content[-400:-300] = bytes(100)
    clip.write_bytes(content)
    assert lapsdata("inspect", "clip.mkv").returncode == 0
    done = lapsdata("inspect", "clip.mkv", "--png", "a.png")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: clip.mkv: frame ")
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize("content", [b"", b"not a video\n" * 100, bytes(4096)], ids=["empty", "text", "zeros"])
@pytest.mark.parametrize("name", ["clip.mp4", "clip.h5", "clip"])
def test_what_is_neither_ours_nor_a_video_is_told_with_both(
    here: Run, tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    done = here("inspect", name)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {name}: expected a video, got ")
    assert "and none of our formats knows it (boxes_parquet, catalog_parquet, " in line


def test_a_folder_is_told_with_both(here: Run, tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    (line,) = here("inspect", "clips").stderr.splitlines()
    assert line.startswith(
        "error: clips: expected a file of ours or a video, got a folder without images, and none of our formats"
    )
    assert line.endswith("; name a file in it [unknown-format]")


def test_boxes_of_others_are_a_table_of_sequences(here: Run, tmp_path: Path) -> None:
    folder = tmp_path / "set" / "park" / "gt"
    folder.mkdir(parents=True)
    (folder / "gt.txt").write_text("1,1,10,20,30,40,1,1,1\n2,1,11,20,30,40,1,1,1\n2,2,60,20,30,40,0,7,1\n")
    done = here("inspect", "set")
    assert done.returncode == 0
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[-2][:5] == ["sequence", "frames", "source", "with", "boxes"]
    assert rows[-2][5:] == ["pedestrian", "static_person", "ignored", "ids", "per", "id"]
    assert rows[-1] == ["park", "2", "truth", "2", "2", "1", "1", "2", "1.5"]
    assert "park: how long it is, is not told" in done.stderr
    document = json.loads(here("inspect", "set", "--json").stdout)
    assert document["sequences"][0]["labels"] == {"pedestrian": 2, "static_person": 1}
    assert [problem["code"] for problem in document["problems"]] == ["length-unknown"]
    refused = here("inspect", "set", "--png", "a.png")
    assert (
        refused.returncode,
        "expected a video, tracks or episodes to draw, got boxes (motchallenge)" in refused.stderr,
    ) == (
        1,
        True,
    )
    assert here("inspect", "set", "--episodes", "3").returncode == 2

"""`lapsdata overlay`: what it writes, what it tells, and what it refuses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import av
import numpy as np
import pytest
import typer
import typer.main

from lapsdata import console, formats
from lapsdata.cli.main import GROUPS, application
from lapsdata.cli.overlay import PLUGIN
from lapsdata.errors import LapsError, SchemaError, UnknownFormatError
from lapsdata.report.png import write_png
from lapsdata.testing.samples import sample_boxes
from lapsdata.verbs import Settings
from lapsdata.video.writer import write_video
from tests.report.made_boxes import Row, made_boxes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., "Ran"]

IN = (9.5, 9.5, 10.0, 20.0)
SEQUENCE: dict[str, Any] = {"length": 4, "size": (640, 360), "first_number": 1, "images": "img1/{frame:06d}.png"}


class Ran(NamedTuple):
    """What a call has left behind."""

    returncode: int | str | None
    stdout: str
    stderr: str


@pytest.fixture
def overlay(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run the verb in this process, in a folder with four images, and boxes of three kinds on them."""
    (tmp_path / "img1").mkdir()
    for number in range(1, 5):
        write_png(tmp_path / "img1" / f"{number:06d}.png", np.full((360, 640, 3), 40 * number, np.uint8))
    rows = {
        "gt": [Row(frame, IN, 1, source="truth") for frame in range(4)],
        "det": [Row(frame, IN, score=0.2 + 0.2 * frame) for frame in range(4)],
        "sort": [Row(frame, IN, 7) for frame in (0, 1, 3)],
    }
    for name, each in rows.items():
        formats.write(tmp_path / f"{name}.parquet", made_boxes(*each, **SEQUENCE))
    app = typer.Typer(add_completion=False)
    app.command()(PLUGIN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(console, "_kept", None)

    def command(*arguments: str) -> Ran:
        capsys.readouterr()
        try:
            typer.main.get_command(app)(list(arguments), obj=Settings(), prog_name="overlay")
        except SystemExit as end:
            return Ran(end.code, *capsys.readouterr())
        except LapsError:
            monkeypatch.setattr(console, "_kept", None)
            raise
        raise AssertionError("the verb did not end")

    return command


def frames_of(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_layers_are_drawn_on_the_images_beside_them(overlay: Run, tmp_path: Path) -> None:
    done = overlay("gt.parquet", "det.parquet", "sort.parquet", "--out", "o.mp4", "--sheet", "s.png")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "out     o.mp4",
        "sheet   s.png",
        "frames  4, 640x380 pixel",
        "",
        "layer  drawn as    boxes  because",
        "gt     truth       4      its source is called 'truth'",
        "det    detections  4      its boxes have no identities",
        "sort   tracks      3      its boxes have identities",
    ]
    assert done.stderr.splitlines()[0].startswith("overlay: done: 4/4 frames in ")
    assert done.stderr.splitlines()[1:] == [
        "info: sort: 1 of 4 pictures hold no box, 0 of them outside of its ranges [empty-pictures]"
    ]
    assert frames_of(tmp_path / "o.mp4") == 4
    assert (tmp_path / "s.png").read_bytes()[1:4] == b"PNG"


def test_as_json_it_is_one_document(overlay: Run) -> None:
    done = overlay("det.parquet", "sort.parquet", "--min-score", "0.5", "--as", "detections", "--as", "truth", "--out",
                   "o.mp4", "--json")  # fmt: skip
    document = json.loads(done.stdout)
    assert document["frames"] == 4
    assert document["size"] == {"width": 640, "height": 380}
    assert document["layers"] == [
        {"name": "det", "kind": "detections", "why": "as told", "boxes": 2},
        {"name": "sort", "kind": "truth", "why": "as told", "boxes": 3},
    ]
    assert sorted(problem["code"] for problem in document["problems"]) == [
        "empty-pictures",
        "empty-pictures",
        "low-scores",
    ]


def test_frames_are_those_of_a_span(overlay: Run, tmp_path: Path) -> None:
    done = overlay("gt.parquet", "--out", "o.mp4", "--frames", "2:3")
    assert "info: gt: 2 of 4 boxes lie outside of frames 2 to 3: left out [other-frames]" in done.stderr
    assert frames_of(tmp_path / "o.mp4") == 2


@pytest.mark.parametrize("text", ["3", "3:2", "a:b", "-1:4", "1:2:3", ""])
def test_a_span_has_a_first_and_a_last_frame(overlay: Run, text: str) -> None:
    done = overlay("gt.parquet", "--out", "o.mp4", f"--frames={text}")
    assert done.returncode == 2
    assert "expected FIRST:LAST, as 1:300" in done.stderr


def test_a_video_is_drawn_on_where_it_is_named(overlay: Run, tmp_path: Path) -> None:
    write_video(tmp_path / "in.mp4", [np.zeros((360, 640, 3), np.uint8)] * 4, np.arange(4) / 10)
    assert overlay("sort.parquet", "--on", "in.mp4", "--out", "o.mkv", "--trail", "0").returncode == 0
    assert frames_of(tmp_path / "o.mkv") == 4
    with pytest.raises(SchemaError, match=r"expected no rate beside a video, .*; leave --fps out"):
        overlay("sort.parquet", "--on", "in.mp4", "--out", "two.mp4", "--fps", "30")


def test_missing_pictures_are_refused_or_skipped_on_request(overlay: Run, tmp_path: Path) -> None:
    (tmp_path / "img1" / "000004.png").unlink()
    with pytest.raises(
        SchemaError, match=r"gt: .* none for 1 frame \(4\), as '000004.png', with 1 boxes; .*--skip-missing"
    ):
        overlay("gt.parquet", "--out", "o.mp4")
    assert not (tmp_path / "o.mp4").exists()
    done = overlay("gt.parquet", "--out", "o.mp4", "--skip-missing")
    assert done.returncode == 0
    assert "warning: gt: expected a picture for every frame with boxes" in done.stderr
    assert frames_of(tmp_path / "o.mp4") == 3


def test_what_the_first_image_is_called_is_told(overlay: Run, tmp_path: Path) -> None:
    formats.write(tmp_path / "zero.parquet", made_boxes(*(Row(frame, IN) for frame in range(4)), length=4, images=None))
    with pytest.raises(UnknownFormatError, match=r"expected pictures beside the boxes, got boxes that do not say"):
        overlay("zero.parquet", "--out", "o.mp4")
    with pytest.raises(SchemaError, match=r"none for 1 frame \(0\), as '000000.png'.*--first-number N"):
        overlay("zero.parquet", "--on", "img1", "--out", "o.mp4")
    assert overlay("zero.parquet", "--on", "img1", "--first-number", "1", "--out", "o.mp4").returncode == 0


def test_one_of_several_sequences_is_named(overlay: Run, tmp_path: Path) -> None:
    formats.write(tmp_path / "two.parquet", sample_boxes())
    with pytest.raises(SchemaError, match=r"two: expected one sequence, got 2: 'left', 'right'; .*--sequence NAME"):
        overlay("two.parquet", "--on", "img1", "--out", "o.mp4")
    done = overlay("two.parquet", "--on", "img1", "--sequence", "left", "--sheet", "s.png", "--skip-missing")
    assert [line.split()[:4] for line in done.stdout.splitlines()[-2:]] == [
        ["two:", "truth", "truth", "0"],
        ["two:", "detector", "detections", "1"],
    ]


def test_the_shape_of_a_sheet_is_that_of_a_sheet(overlay: Run) -> None:
    done = overlay("gt.parquet", "--out", "o.mp4", "--rows", "2")
    assert done.returncode == 2
    assert "only with --sheet" in done.stderr
    assert overlay("gt.parquet", "--sheet", "s.png", "--columns", "2", "--rows", "1").returncode == 0


def test_an_output_is_needed_and_replaced_on_request_alone(overlay: Run, tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="give --out or --sheet"):
        overlay("gt.parquet")
    (tmp_path / "o.mp4").write_text("mine")
    with pytest.raises(LapsError, match=r"o.mp4: expected a free name, got an existing one; give --force"):
        overlay("gt.parquet", "--out", "o.mp4")
    assert overlay("gt.parquet", "--out", "o.mp4", "--force").returncode == 0


@pytest.mark.parametrize(
    ("option", "name", "suffixes"), [("--out", "o.avi", ".mp4, .mkv"), ("--sheet", "s.jpg", ".png")]
)
def test_other_suffixes_are_refused_before_anything_is_drawn(
    overlay: Run, option: str, name: str, suffixes: str, tmp_path: Path
) -> None:
    other = ["--out", "o.mp4"] if option == "--sheet" else ["--sheet", "s.png"]
    with pytest.raises(SchemaError, match=rf"expected (one of )?{suffixes}, got .*unknown-suffix"):
        overlay("gt.parquet", option, name, *other)
    assert {path.name for path in tmp_path.iterdir()} == {"img1", "gt.parquet", "det.parquet", "sort.parquet"}


def test_it_is_a_verb_of_the_scores() -> None:
    assert "overlay" in GROUPS["Scores"]
    registered = {command.name: command.rich_help_panel for command in application().registered_commands}
    assert registered["overlay"] == "Scores"

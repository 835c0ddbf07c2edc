"""The verb as a person or a script calls it, in this process, on stages of our own."""

from __future__ import annotations

import json
import sys
import warnings
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import numpy as np
import pytest

from lapsdata import console
from lapsdata.cli.main import main
from lapsdata.plugins import Registry, registry
from lapsdata.schema import Recipe
from lapsdata.schema.base import Positive, Rate, Record
from lapsdata.stages import Stage
from lapsdata.stages.recipe import ORDER, load_recipe
from lapsdata.testing.scenes import SceneConfig, render_scene
from lapsdata.timebase import FrameRate
from lapsdata.video.writer import write_video

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path


class Follow(Record):
    """What the first stage is told."""

    rate: Rate | None = None
    """Frames per second; null keeps those of the source, whatever they are and however they vary, so that
    nothing is made up and nothing is lost."""
    horizon: Positive = 16
    """Frames per window."""
    stride: Positive = 4
    """Frames from one to the next."""


class Measure(Record):
    """What the other stage is told."""

    camera: Literal["keep", "median"] = "keep"
    """What of the camera."""
    gate: float
    """Values below it do not count."""


FOLLOW = Stage("track", "Follows points.", "dense_flow", lambda: {"dense_flow": Follow, "lucas_kanade": Follow})
MEASURE = Stage("measure", "Measures.", "speed", lambda: {"nothing": Record, "speed": Measure})

SHOWN = """\
format: lapsdata.recipe
format_version: "1.0"
stages:
  # Follows points. Kinds: dense_flow, lucas_kanade.
  track:
    kind: lucas_kanade
    params:
      # Frames per second; null keeps those of the source, whatever they are and however they vary,
      # so that nothing is made up and nothing is lost.
      rate: "10"
      # Frames per window.
      horizon: 8
      # Frames from one to the next.
      stride: 4

  # Measures. Kinds: nothing, speed.
  measure:
    kind: speed
    params:
      # What of the camera. One of keep, median.
      camera: keep
      # Values below it do not count.
      gate: 1.0e-07
"""

LISTED = """\
stage    kind                   what it does
track    dense_flow    default  Follows points.
track    lucas_kanade
measure  speed         default  Measures.
measure  nothing
"""

PARAMETERS = """\
measure: Measures.

measure.kind: speed (default)
parameter  default          meaning
camera     "keep"           What of the camera. One of keep, median.
gate       (must be given)  Values below it do not count.

measure.kind: nothing
no parameters
"""


class Ran(NamedTuple):
    """What a call has left behind."""

    code: int | str | None
    out: str
    err: str


class Verb(Protocol):
    def __call__(self, *arguments: str | Path) -> Ran: ...


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Verb:
    """Run `lapsdata recipe` in an empty folder."""
    stages: Registry[Stage] = Registry("stages")
    claim = registry("formats")._claims()["tracks_hdf5"][0]
    stages._found = {
        name: [claim._replace(point=EntryPoint(name, "their:PLUGIN", ""))] for name in ("measure", "track")
    }
    stages._objects = {"track": FOLLOW, "measure": MEASURE}
    monkeypatch.setattr("lapsdata.stages._recipe_stages.registry", lambda kind: stages)

    def call(*arguments: str | Path) -> Ran:
        capsys.readouterr()
        with monkeypatch.context() as patch, warnings.catch_warnings():
            warnings.simplefilter("default")
            patch.setattr(console, "_kept", None)
            patch.setattr(sys, "argv", ["lapsdata", "recipe", *map(str, arguments)])
            patch.setenv("COLUMNS", "100")
            patch.chdir(tmp_path)
            with pytest.raises(SystemExit, match=r"^\d+$") as end:
                main()
        return Ran(end.value.code, *capsys.readouterr())

    return call


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Return a folder with scenes of 10 and of 20 frames per second."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for rate in (10, 20):
        scene = render_scene(5, SceneConfig(rate=FrameRate(rate), actions=1, size=(64, 64)))
        scene.write_video(folder / f"{rate}.mp4")
    return folder


class TestList:
    def test_the_stages_with_their_kinds(self, recipe: Verb) -> None:
        assert recipe("list") == (0, LISTED, "")

    def test_the_parameters_of_one(self, recipe: Verb) -> None:
        assert recipe("list", "measure") == (0, PARAMETERS, "")

    def test_kinds_that_share_all_parameters_stand_together(self, recipe: Verb) -> None:
        lines = recipe("list", "track").out.splitlines()
        assert lines[2] == "track.kind: dense_flow (default), lucas_kanade"
        assert len(lines) == 7

    def test_as_json(self, recipe: Verb) -> None:
        document = json.loads(recipe("list", "--json").out)
        assert [stage["name"] for stage in document["stages"]] == ["track", "measure"]
        (one,) = json.loads(recipe("list", "measure", "--json").out)["stages"]
        assert one == document["stages"][1]
        assert (one["title"], one["default"]) == ("Measures.", "speed")
        assert one["kinds"][0] == {
            "name": "speed",
            "default": True,
            "parameters": [
                {
                    "name": "camera",
                    "meaning": "What of the camera. One of keep, median.",
                    "required": False,
                    "default": "keep",
                },
                {"name": "gate", "meaning": "Values below it do not count.", "required": True, "default": None},
            ],
        }

    def test_an_unknown_stage_is_told_with_the_nearest(self, recipe: Verb) -> None:
        done = recipe("list", "mesure")
        told = "error: mesure: expected one of track, measure, got 'mesure'; did you mean 'measure'? [unknown-stage]\n"
        assert done == (1, "", told)


class TestShow:
    SET = ("--set", "track.kind=lucas_kanade", "--set", "track.rate=10", "--set", "measure.gate=1e-7")

    def test_a_recipe_with_all_defaults_and_what_they_mean(self, recipe: Verb, tmp_path: Path) -> None:
        (tmp_path / "mine.yaml").write_text("stages:\n  track:\n    params:\n      horizon: 8\n")
        done = recipe("show", "mine.yaml", *self.SET)
        assert done == Ran(0, SHOWN, "")
        (tmp_path / "whole.yaml").write_text(done.out)
        assert recipe("show", "whole.yaml") == done

    def test_without_a_recipe_the_defaults(self, recipe: Verb) -> None:
        shown = recipe("show", "--set", "measure.gate=2").out
        assert "      rate: null\n" in shown
        assert "      gate: 2.0\n" in shown

    def test_as_json(self, recipe: Verb, tmp_path: Path) -> None:
        document = json.loads(recipe("show", "--json", *self.SET).out)
        assert document["problems"] == []
        assert document["recipe"]["stages"]["measure"] == {"kind": "speed", "params": {"camera": "keep", "gate": 1e-07}}
        (tmp_path / "whole.json").write_text(json.dumps(document["recipe"]))
        assert json.loads(recipe("show", "whole.json", "--json").out) == document

    def test_all_faults_are_told_at_once(self, recipe: Verb, tmp_path: Path) -> None:
        (tmp_path / "mine.yaml").write_text("stages:\n  track: {params: {horizn: 8}}\n  mesure:\n")
        done = recipe("show", "mine.yaml")
        assert (done.code, done.out) == (1, "")
        assert [line.rpartition("[")[2] for line in done.err.splitlines()] == [
            "missing-key]",
            "unknown-stage]",
            "unknown-key]",
        ]
        as_json = recipe("show", "mine.yaml", "--json")
        assert as_json.code == 1
        assert {one["where"] for one in json.loads(as_json.out)["problems"]} == {
            "measure.gate",
            "mesure",
            "track.horizn",
        }

    def test_a_fault_of_a_setting(self, recipe: Verb) -> None:
        done = recipe("show", "--set", "measure.gaet=1")
        assert done.err == (
            "error: measure.gaet: expected one of camera, gate, got 'gaet'; did you mean 'gate'? [unknown-key]\n"
        )

    @pytest.mark.parametrize(("name", "code"), [("none.yaml", "not-found"), ("videos", "wrong-kind")])
    def test_no_such_recipe(self, recipe: Verb, videos: Path, name: str, code: str) -> None:
        done = recipe("show", name)
        assert (done.code, done.out) == (1, "")
        assert done.err.endswith(f"[{code}]\n")


class TestInit:
    TEXT = """\
# videos: 2
# sizes: 64x64
# rates: 10 (1), 20 (1)
# duration: 4.95 s
# shortest: 20, 2.45 s, 49 frames
format: lapsdata.recipe
format_version: "1.0"
stages:
  track:
    params:
      # The rates differ; energies need steps of equal length in all videos. This is the lowest.
      rate: "10"
"""

    def test_what_two_rates_need(self, recipe: Verb, videos: Path) -> None:
        done = recipe("init", "videos")
        assert (done.code, done.out) == (0, self.TEXT)
        assert done.err.startswith("look at videos: done: 2/2 videos in ")

    def test_a_file_is_written_and_never_replaced_unasked(self, recipe: Verb, videos: Path, tmp_path: Path) -> None:
        done = recipe("init", "videos", "--out", "mine.yaml")
        assert done.code == 0
        assert [line.split(maxsplit=1) for line in done.out.splitlines()] == [
            ["out", "mine.yaml"],
            ["videos", "2"],
            ["sizes", "64x64"],
            ["rates", "10 (1), 20 (1)"],
            ["duration", "4.95 s"],
            ["shortest", "20, 2.45 s, 49 frames"],
            ["sets", "track.rate=10"],
        ]
        out = tmp_path / "mine.yaml"
        assert out.read_text() == self.TEXT
        assert {path.name for path in tmp_path.iterdir()} == {"mine.yaml", "videos"}
        again = recipe("init", "videos/10.mp4", "--out", "mine.yaml")
        told = "error: mine.yaml: expected a free name, got an existing one; give --force to replace it [exists]\n"
        assert again == (1, "", told)
        assert out.read_text() == self.TEXT
        forced = recipe("init", "videos/10.mp4", "--out", "mine.yaml", "--force")
        assert (forced.code, forced.out.splitlines()[-1].split()) == (0, ["sets", "nothing"])
        assert load_recipe(out) == Recipe()

    def test_as_json(self, recipe: Verb, videos: Path) -> None:
        document = json.loads(recipe("init", "videos", "--json").out)
        assert document["found"]["rates"] == "10 (1), 20 (1)"
        assert document["recipe"]["stages"] == {"track": {"kind": None, "params": {"rate": "10"}}}
        assert json.loads(recipe("init", "videos", "--out", "a.yaml", "--json").out) == {"out": "a.yaml", **document}

    def test_a_broken_video_is_named_and_the_others_are_looked_at(self, recipe: Verb, videos: Path) -> None:
        (videos / "broken.mp4").write_bytes(b"no video" * 100)
        done = recipe("init", "videos")
        assert done.code == 0
        assert done.out.replace("# left out: 1\n", "") == self.TEXT
        assert "\nwarning: videos/broken.mp4: " in done.err

    def test_nothing_but_broken_videos(self, recipe: Verb, videos: Path) -> None:
        for path in videos.iterdir():
            path.write_bytes(path.read_bytes()[:20])
        done = recipe("init", "videos", "nowhere.mp4", "--out", "mine.yaml")
        assert (done.code, done.out) == (1, "")
        assert [line.split(": ")[1] for line in done.err.splitlines()[1:]] == [
            "nowhere.mp4",
            "videos/10.mp4",
            "videos/20.mp4",
        ]
        assert not (videos.parent / "mine.yaml").exists()

    def test_choices_of_videos(self, recipe: Verb, videos: Path) -> None:
        assert "# videos: 1\n" in recipe("init", "videos", "--match", "2*").out
        (videos / "below").mkdir()
        (videos / "10.mp4").rename(videos / "below" / "10.mp4")
        assert "# rates: 20\n" in recipe("init", "videos").out
        assert recipe("init", "videos", "--recursive").out == self.TEXT

    def test_a_folder_of_images_needs_a_rate(self, recipe: Verb, tmp_path: Path) -> None:
        import cv2

        (tmp_path / "images").mkdir()
        for number in range(20):
            cv2.imwrite(str(tmp_path / "images" / f"{number}.png"), np.zeros((64, 64, 3), np.uint8))
        done = recipe("init", "images")
        assert done.code == 1
        assert done.err.endswith("give --fps, their numbers per second [no-times]\n")
        assert recipe("init", "images", "--fps", "29.97").out.endswith('\n      rate: "30000/1001"\n')

    def test_short_windows(self, recipe: Verb, tmp_path: Path) -> None:
        write_video(tmp_path / "short.mp4", [np.zeros((64, 64, 3), np.uint8)] * 3, np.arange(3) / 10)
        done = recipe("init", "short.mp4", "--out", "mine.yaml")
        assert done.out.splitlines()[-1].split(maxsplit=1) == ["sets", "track.horizon=3, track.stride=1"]

    @pytest.mark.parametrize(
        ("out", "code", "told"),
        [
            ("mine.json", 2, "expected a name that ends in .yaml"),
            (".", 1, "it is a folder; name a file [wrong-kind]"),
            ("none/mine.yaml", 1, "no such file or folder; check the path [not-found]"),
        ],
    )
    def test_a_name_that_cannot_be_is_refused_before_the_videos_are_looked_at(
        self, recipe: Verb, videos: Path, out: str, code: int, told: str
    ) -> None:
        done = recipe("init", "videos", "--out", out)
        assert (done.code, done.out) == (code, "")
        assert told in done.err
        assert "videos in" not in done.err


def test_the_installed_command_shows_every_stage_of_the_main_job(
    lapsdata: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    listed = lapsdata("recipe", "list")
    assert listed.returncode == 0
    assert list(dict.fromkeys(line.split()[0] for line in listed.stdout.splitlines()[1:])) == list(ORDER)
    shown = lapsdata("recipe", "show")
    assert (shown.returncode, shown.stderr) == (0, "")
    (tmp_path / "whole.yaml").write_text(shown.stdout)
    assert tuple(load_recipe(tmp_path / "whole.yaml").stages) == ORDER
    assert lapsdata("recipe", "show", "whole.yaml").stdout == shown.stdout

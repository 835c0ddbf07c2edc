"""`lapsdata demo` and `lapsdata demo mot`: one name, options of their own, and what a person reads."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest
import typer
import typer.main

from lapsdata import console
from lapsdata.cli.main import application
from lapsdata.errors import LapsError, SchemaError
from lapsdata.plugins import registry
from lapsdata.stages import _tracking_pictures
from lapsdata.verbs import Settings
from lapsmodels.commands import demo as demo_module
from lapsmodels.commands import demo_mot
from lapsmodels.commands.demo import PLUGIN

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Ran = tuple[int, str, str]

SMALL = ("mot", "--sequences", "1", "--frames", "10", "--people", "3")


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Ran]:
    """Run the verb in this process, in an empty folder; return its code and both outputs.

    Of the pictures of scores only the first is drawn: each takes longer than all else.
    """
    monkeypatch.chdir(tmp_path)
    pictures = _tracking_pictures.tracking_pictures
    monkeypatch.setattr(_tracking_pictures, "tracking_pictures", lambda *told: islice(pictures(*told), 1))

    def command(*arguments: str) -> Ran:
        monkeypatch.setattr(console, "_kept", None)
        capsys.readouterr()
        try:
            typer.main.get_command(PLUGIN)(list(arguments), obj=Settings(), prog_name="lapsdata demo")
        except SystemExit as end:
            return (int(end.code or 0), *capsys.readouterr())
        except LapsError:
            monkeypatch.setattr(console, "_kept", None)
            raise
        raise AssertionError("the verb did not end")

    return command


def test_all_is_done_without_torch(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['torch'] = None; sys.argv[0] = 'lapsdata'; from lapsdata.cli.main import main; main()"
    )
    words = ["demo", *SMALL, "--out", "made"]
    whole = [sys.executable, "-c", program, *words]
    done = subprocess.run(whole, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = done.stdout.splitlines()
    assert told[0].startswith("made/data: 1 sequence, 10 frames, ")
    assert told[0].endswith(" true boxes of 3 people (made)")
    assert [line.split()[2] for line in told if line.startswith("$ ")] == [
        "inspect", "check", "check", "evaluate", "overlay"
    ]  # fmt: skip
    assert "walk_1    10      10      truth" in done.stdout
    assert "All 12 numbers are found as they were put in." in told
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == [
        "data", "overlay.mp4", "overlay.png", "pictures", "scores.json"
    ]  # fmt: skip


def test_every_command_that_is_told_runs(demo: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = demo(*SMALL)
    assert code == 0
    commands = [line.lstrip("$ ").split() for line in out.splitlines() if line.lstrip("$ ").startswith("lapsdata ")]
    assert len(commands) == 9
    app = typer.main.get_command(application())
    for _, *words in commands:
        if words[0] == "demo":
            continue
        # What stands there already is what the command made.
        forced = ["--force"] if words[0] in ("overlay", "evaluate") else []
        monkeypatch.setattr(console, "_kept", None)
        with pytest.raises(SystemExit, match="0"):
            app([*words, *forced], obj=Settings(), prog_name="lapsdata")


def test_a_second_call_keeps_what_is_there(demo: Callable[..., Ran], tmp_path: Path) -> None:
    assert demo(*SMALL)[0] == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "demo_mot").rglob("*")}
    code, out, _ = demo(*SMALL)
    assert (code, out.splitlines()[0].endswith("(kept)")) == (0, True)
    assert "frames  drawn before" in out
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "demo_mot").rglob("*")} == before
    code, out, _ = demo(*SMALL, "--missing", "0.4")
    assert out.splitlines()[0].endswith("(changed)")
    result = (tmp_path / "demo_mot" / "scores.json").read_bytes()
    assert (tmp_path / "demo_mot" / "pictures" / "scores.json").read_bytes() == result
    assert "All 12 numbers are found as they were put in." in out


def test_json_is_one_document(demo: Callable[..., Ran]) -> None:
    code, out, _ = demo(*SMALL, "--json", "--jitter", "0", "--missing", "0", "--false", "0", "--swapped", "0")
    told: dict[str, Any] = json.loads(out)
    # Detections without noise are the truth, and that is an error.
    assert (code, told["fate"], told["options"]["jitter_px"]) == (1, "made", 0)
    assert [one["code"] for one in told["problems"] if one["severity"] == "error"] == ["detections-equal-truth"]
    assert {(row["expected"], row["found"], row["equal"]) for row in told["rows"]} == {(0, 0, True), (1, 1, True)}
    assert {row["classes"]["pedestrian"]["scores"]["HOTA"] for row in told["result"]["rows"][:3:2]} == {1.0}


def test_what_is_not_as_it_was_put_in_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    from lapsdata.stages.tracking_demo import DemoRow

    rows = [
        DemoRow("usual", "missing", "4 of 9 boxes", "FN", 4, 4, certain=True),
        DemoRow("hasty", "jitter", "5 boxes moved", "mean IoU", 0.75, 0.5, certain=False),
    ]
    demo_mot._tell(rows)
    told = capsys.readouterr().out
    assert "hasty    jitter   5 boxes moved  mean IoU  0.750     0.500\n" in told
    assert "1 of 2 numbers are found as they were put in. Boxes of hasty lie on other people" in told
    demo_mot._tell([rows[0], rows[0]._replace(found=5)])
    assert capsys.readouterr().out.endswith("1 of 2 numbers are found as they were put in.\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--missing", "0.7"), r"--missing: expected .*0\.5"),
        (("--jitter", "-1"), "--jitter: expected"),
        (("--false", "nan"), "--false: expected"),
    ],
)
def test_noise_that_is_none_is_told_by_its_option(
    demo: Callable[..., Ran], tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    with pytest.raises(SchemaError, match=message):
        demo("mot", *words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("--out", "there"), "--out"),
        (("--scenes", "2"), "--scenes"),
        (("--set", "a.b=1"), "--set"),
        (("--json",), "--json"),
    ],
)
def test_options_in_front_of_mot_are_refused(
    demo: Callable[..., Ran], tmp_path: Path, words: tuple[str, ...], option: str
) -> None:
    code, _, err = demo(*words, "mot")
    assert code == 2
    assert option in err
    assert "give it behind mot" in " ".join(err.replace("│", " ").split())
    assert list(tmp_path.iterdir()) == []


def test_without_mot_it_is_the_main_job(
    demo: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(demo_module, "_write", lambda made, folder, truth: seen.append(len(made)) or [])
    monkeypatch.setattr("lapsdata.video.sources.find_videos", lambda videos: [])
    monkeypatch.setattr("lapsmodels.commands.run.follow", lambda videos, out, recipe, **told: seen.append((out, told)))
    code, out, _ = demo("--out", "there", "--scenes", "1", "--set", "track.points=100")
    assert code == 0
    assert out.startswith("$ lapsdata run there/videos --out there/run --truth there/truth.parquet")
    assert [str(one) if isinstance(one, int) else str(one[0]) for one in seen] == ["1", "there/run"]


def test_help_tells_both() -> None:
    assert isinstance(registry("commands").load("demo"), typer.Typer)
    command: Any = typer.main.get_command(PLUGIN)
    assert [option.name for option in command.params] == ["out", "scenes", "settings", "json"]
    assert list(command.commands) == ["mot"]
    assert {"seed", "sequences", "missing", "false", "swapped", "jitter"} <= {
        option.name for option in command.commands["mot"].params
    }

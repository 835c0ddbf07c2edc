"""`lapsdata check` and `lapsdata inspect` of robot episodes: what a person and a script see, and how they end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from lapsdata.cli.main import main
from lapsdata.testing.episode_sets import CAMERA, drawn_frame, write_lerobot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Ran = tuple[int, str, str]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run `lapsdata` in this process, in an empty folder; return its code and both outputs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lapsdata.cli.main.console.prepare", lambda: None)

    def command(*arguments: str) -> Ran:
        monkeypatch.setattr("lapsdata.console._kept", None)
        monkeypatch.setattr("sys.argv", ["lapsdata", *arguments])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        told = capsys.readouterr()
        return code, told.out, told.err

    return command


def test_check_lists_the_problems_of_a_set(here: Callable[..., Ran], tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", videos=True)
    (root / f"videos/chunk-000/{CAMERA}/episode_000001.mp4").write_bytes(b"")
    code, out, err = here("check", "set")
    assert code == 1
    assert "lerobot: 3 episodes, 15 of 15 rows read, 2 of 3 videos opened, no frame decoded" in out
    assert "[empty-file]" in err
    code, out, _ = here("check", "set", "--json")
    (problem,) = json.loads(out)["problems"]
    assert (code, problem["code"], problem["severity"]) == (1, "empty-file", "error")


def test_check_decodes_when_asked(here: Callable[..., Ran], tmp_path: Path) -> None:
    write_lerobot(tmp_path / "set", videos=True)
    code, out, err = here("check", "set", "--decode")
    assert code == 0
    assert "3 of 3 videos opened, 15 frames decoded" in out
    assert "[lag-unknown]" in err


def test_inspect_shows_features_and_episodes_and_notes(here: Callable[..., Ran], tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", videos=True)
    info = json.loads((root / "meta/info.json").read_text())
    (root / "meta/info.json").write_text(json.dumps(info | {"total_frames": 7}))
    code, out, err = here("inspect", "set", "--episodes", "2")
    assert code == 0
    assert "observation.state  float32  (3,)" in out
    assert "2 of 3 episodes are listed: --episodes N" in out
    assert "[wrong-total]" in err
    told = json.loads(here("inspect", "set", "--json")[1])
    assert (len(told["episodes"]), told["picture"], told["problems"][0]["code"]) == (3, None, "wrong-total")


def test_inspect_draws_the_first_frames(here: Callable[..., Ran], tmp_path: Path) -> None:
    write_lerobot(tmp_path / "set", videos=True)
    code, out, _ = here("inspect", "set", "--png", "sheet.png", "--columns", "3")
    height, width, _ = cv2.imread(str(tmp_path / "sheet.png")).shape
    assert code == 0
    assert f"sheet.png, {width} x {height} pixel" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("clip.png", "--episodes", "3"), "only for robot episodes"),
        (("set", "--png", "sheet.png", "--view", "top"), "only for tracks: set is robot episodes"),
    ],
)
def test_options_that_do_not_fit(
    here: Callable[..., Ran], tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    write_lerobot(tmp_path / "set", videos=True)
    from lapsdata import formats
    from lapsdata.testing.samples import sample_energies

    formats.write(tmp_path / "e.jsonl", sample_energies())
    code, _, err = here("inspect", *(word.replace("clip.png", "e.jsonl") for word in arguments))
    assert code == 2
    assert message in " ".join(err.split())


def test_check_json_of_a_set_and_of_its_damaged_twin(here: Callable[..., Ran], tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", videos=True, lengths=(4,) * 5)
    code, out, _ = here("check", "set", "--json")
    assert (code, json.loads(out)["problems"]) == (0, [])
    for episode in (1, 2, 4):
        (root / f"data/chunk-000/episode_{episode:06d}.parquet").write_bytes(b"PAR1")
    code, out, _ = here("check", "set", "--json")
    (problem,) = json.loads(out)["problems"]
    assert (code, problem["severity"]) == (1, "error")
    assert problem["where"].endswith("episode_000001.parquet")
    assert problem["message"].endswith("; alike in 3 episodes: 1-2, 4")


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_a_drawn_frame_stands_in_the_cell_of_its_episode(
    here: Callable[..., Ran], tmp_path: Path, version: str
) -> None:
    write_lerobot(tmp_path / "set", videos=True, version=version)
    code, out, _ = here("inspect", "set", "--png", "sheet.png", "--columns", "3", "--json")
    image = cv2.imread(str(tmp_path / "sheet.png"), cv2.IMREAD_GRAYSCALE)
    picture = json.loads(out)["picture"]
    assert code == 0
    assert image.shape == (272, 784)
    assert "sheet.png" in json.dumps(picture)
    for episode, cell in enumerate(np.array_split(image, 3, axis=1)):
        level = int(drawn_frame(episode, 0)[0, 0, 0])
        # A frame of 64 x 48 is 240 x 180 pixels large here.
        assert np.count_nonzero(np.abs(cell.astype(int) - level) <= 2) >= 240 * 180 * 0.97

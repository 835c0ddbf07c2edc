"""A user's program is checked against our types: what is there passes `mypy --strict`, what is not there fails."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

GOOD = """
from pathlib import Path

import torch

import lapsdata
import lapsmodels
from lapsdata import Segments, Tracks


def points(path: Path) -> int:
    tracks = lapsdata.read(path, Tracks)
    return sum(part.shape[2] for part in tracks.tracks.values())


def labels(path: str) -> set[str | None]:
    return set(lapsdata.read(path, expect=Segments, verify="always").label)


def rows(path: str) -> int:
    return len(lapsdata.read(path))


def again(path: Path) -> str:
    found = lapsdata.read(path)
    try:
        return lapsdata.write(path.with_suffix(".h5"), found, overwrite=True).format
    except lapsdata.LapsError as error:
        return error.problems[0].code


def recoded(velocities: torch.Tensor) -> torch.Tensor:
    model = lapsmodels.MotionTokenizer(lapsmodels.TokenizerConfig(views=2))
    return model.encode(velocities).indices


rate: lapsdata.FrameRate = lapsdata.FrameRate(30000, 1001)
"""

# Each line alone is a mistake; what mypy calls it, and the words it says.
BAD = {
    "lapsdata.nope": ("attr-defined", 'Module has no attribute "nope"'),
    "lapsdata.Tracs": ("attr-defined", 'Module has no attribute "Tracs"'),
    "lapsmodels.Tokenizer": ("attr-defined", 'Module has no attribute "Tokenizer"'),
    'lapsmodels.TokenizerConfig(views="two")': ("arg-type", 'expected "int"'),
    "from lapsdata import reed": ("attr-defined", 'Module "lapsdata" has no attribute "reed"'),
    'lapsdata.read("clip.h5").tracks': ("attr-defined", '"Container" has no attribute "tracks"'),
    'lapsdata.read("clip.h5", lapsdata.Tokens).tracks': ("attr-defined", '"Tokens" has no attribute "tracks"'),
    'lapsdata.read("clip.h5", int)': ("type-var", '"read" cannot be "int"'),
    'lapsdata.read("clip.h5", verify="sometimes")': ("call-overload", "No overload variant"),
    "lapsdata.read(3)": ("call-overload", "No overload variant"),
    'lapsdata.FrameRate("25")': ("arg-type", 'expected "int"'),
    'lapsdata.Problem("code")': ("call-arg", 'Missing positional arguments "where", "message"'),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Let mypy look at both programs from outside of the checkout; return what it says, by file and line."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "good.py").write_text(GOOD)
    (folder / "bad.py").write_text("\n".join(["import lapsdata, lapsmodels", *BAD]) + "\n")
    command = [sys.executable, "-m", "mypy", "--strict", "--hide-error-context", "good.py", "bad.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    found: dict[str, list[str]] = {}
    for place, text in re.findall(r"^(\w+\.py:\d+): error: (.*)$", done.stdout, re.MULTILINE):
        found.setdefault(place, []).append(text)
    return found


@pytest.mark.slow
def test_a_good_program_passes(told: dict[str, list[str]]) -> None:
    assert {place: text for place, text in told.items() if place.startswith("good.py")} == {}


@pytest.mark.slow
@pytest.mark.parametrize("line", BAD)
def test_a_mistake_is_found(told: dict[str, list[str]], line: str) -> None:
    code, words = BAD[line]
    (text,) = told[f"bad.py:{list(BAD).index(line) + 2}"]
    assert words in text
    assert text.endswith(f"[{code}]")

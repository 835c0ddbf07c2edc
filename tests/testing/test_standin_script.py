"""`benchmarks/standin.py`, which `make gtea-standin` calls."""

from __future__ import annotations

import runpy
import sys
from typing import TYPE_CHECKING

import pytest

from lapsdata.stages._data_sets import DATA_SETS, find_split, find_split_videos
from lapsdata.testing.made_up_labels import write_made_up_labels

if TYPE_CHECKING:
    from pathlib import Path

NAMES = {
    "gtea": ("S1_Tea_C1", "Videos/S1_Tea_C1.mp4"),
    "50salads": ("rgb-01-1", "Videos/rgb-01-1.mp4"),
    "breakfast": ("P03_cam01_P03_tea", "Videos/P03/cam01/P03_tea.mp4"),
}


def called(root: Path, monkeypatch: pytest.MonkeyPatch, *words: str) -> int | str | None:
    monkeypatch.setattr(sys, "argv", ["standin.py", *words])
    with pytest.raises(SystemExit, match=r"^[012]$") as end:
        runpy.run_path(str(root / "benchmarks" / "standin.py"), run_name="__main__")
    return end.value.code


@pytest.mark.parametrize("data_set", NAMES)
def test_videos_lie_where_the_recipe_looks_for_them(
    data_set: str, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name, place = NAMES[data_set]
    rate = DATA_SETS[data_set].rate
    write_made_up_labels(tmp_path / "labels", train=("P04_cam01_P04_tea",), test=(name,), rate_hz=int(rate.hz))
    words = (str(tmp_path / "labels"), str(tmp_path / "root"), "--data-set", data_set, "--seconds", "0.4")
    assert called(root, monkeypatch, *words) == 0
    said = capsys.readouterr().out
    assert f"SYNTHETIC, {2 * round(0.4 * rate.hz)} frames" in said
    assert f"$ lapsdata run --recipe {data_set} --root {tmp_path / 'root'} --split 1" in said
    assert (tmp_path / "root" / place).exists()
    split = find_split(tmp_path / "root", 1)
    assert len(find_split_videos(DATA_SETS[data_set], tmp_path / "root", (*split.train, *split.test))) == 2


def test_labels_that_are_not_there_are_told(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called(root, monkeypatch, str(tmp_path / "nowhere"), str(tmp_path / "root")) == 1
    assert "no such file" in capsys.readouterr().err
    assert not (tmp_path / "root").exists()

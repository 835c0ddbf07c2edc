"""The experiment on GTEA's own names, lengths and labels, 20 s of each: the videos are rendered, and say so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lapsdata import formats
from lapsdata.adapters.mstcn import labels_of
from lapsdata.containers import Segments
from lapsdata.stages._data_sets import DATA_SETS, find_split, find_split_videos
from lapsdata.testing.standin import write_standin
from lapsdata.video.probe import probe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECONDS = 20
SETTINGS = (
    "track.points=36", "track.horizon=8", "train.epochs=1", "train.batch=64", "train.threads=1",
    "train.picture_every=0", "evaluate.draws=20", "report.longest_px=1440",
)  # fmt: skip


@pytest.fixture(scope="module")
def standin(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("gtea") / "root"
    write_standin(real_data / "gtea", root, DATA_SETS["gtea"].rate, seconds=SECONDS)
    return root


def test_a_video_for_each_label_file_in_every_split(standin: Path, real_data: Path) -> None:
    labels, whole = labels_of(standin), labels_of(real_data / "gtea")
    assert labels == {name: words[: SECONDS * 15] for name, words in whole.items()}
    for number in (1, 2, 3, 4):
        split = find_split(standin, number)
        assert (len(split.train), len(split.test)) == (21, 7)
        videos = find_split_videos(DATA_SETS["gtea"], standin, (*split.train, *split.test))
        assert {video.name for video in videos} == set(labels)
    assert {video.name: probe(video.path).frames for video in videos} == {
        name: len(words) for name, words in labels.items()
    }


def test_the_experiment(
    one_process: list[int], inside: Callable[..., Any], standin: Path, real_data: Path, tmp_path: Path
) -> None:
    words = [word for one in SETTINGS for word in ("--set", one)]
    done = inside("run", "--recipe", "gtea", "--root", standin, "--split", 1, "--out", tmp_path / "out", *words)
    assert done.returncode == 0, done.stderr
    tables = done.stdout.split("SYNTHETIC: rendered scenes that move as labels say, the first 20 s of each")
    assert len(tables) == 3
    assert "21 videos" in tables[1]
    assert "7 videos" in tables[2]
    truth = formats.read(tmp_path / "out" / "split1" / "test" / "truth.parquet", Segments)
    order = (real_data / "gtea" / "splits" / "test.split1.bundle").read_text().split()
    assert [f"{video.name}.txt" for video in truth.header.videos] == order
    # What moves as the labels say is found: at a quarter of a second, far above a metronome's.
    prediction, metronome = (
        float(next(line for line in tables[2].splitlines() if line.startswith(row)).split()[1])
        for row in ("prediction", "uniform_train_period")
    )
    assert prediction > metronome + 0.2

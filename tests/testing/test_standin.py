"""Stand-ins for videos: as many frames as labels, motion where the labels say so, and SYNTHETIC said first."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lapsdata.adapters._synthetic import MARKER, synthetic_root
from lapsdata.adapters.mstcn import labels_of, read
from lapsdata.errors import CorruptDataError, SchemaError, StorageError
from lapsdata.provenance import synthetic_note
from lapsdata.testing.made_up_labels import MADE_UP_TEST, MADE_UP_TRAIN, write_made_up_labels
from lapsdata.testing.standin import QUIET_LABELS, write_standin
from lapsdata.timebase import FrameRate
from lapsdata.video.reader import open_video

if TYPE_CHECKING:
    from pathlib import Path

RATE = FrameRate(15)


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("labels")
    write_made_up_labels(root, seconds=6)
    return root


@pytest.fixture(scope="module")
def root(labels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made") / "root"
    write_standin(labels, root, RATE)
    return root


def test_it_looks_as_the_data_set(labels: Path, root: Path) -> None:
    names = sorted((*MADE_UP_TRAIN, *MADE_UP_TEST))
    assert sorted(path.stem for path in (root / "Videos").iterdir()) == names
    assert labels_of(root) == labels_of(labels)
    for name in ("mapping.txt", "splits/train.split1.bundle", "splits/test.split1.bundle"):
        assert (root / name).read_bytes() == (labels / name).read_bytes()
    for name, words in labels_of(root).items():
        with open_video(root / "Videos" / f"{name}.mp4") as video:
            assert (len(video), video.facts.rate) == (len(words), RATE)
            assert (video.facts.size.width, video.facts.size.height) == (160, 120)


def test_what_moves_is_what_the_labels_say(root: Path) -> None:
    """Noise is everywhere; it is far below what a step of the hand changes."""
    for name in MADE_UP_TEST:
        words = labels_of(root)[name]
        with open_video(root / "Videos" / f"{name}.mp4", pixels="gray") as video:
            frames = np.stack([frame.image for frame in video.frames()]).astype(np.float32)
        changed = np.abs(np.diff(frames, axis=0)).mean(axis=(1, 2))
        quiet = np.array([one in QUIET_LABELS for one in words])
        still = quiet[1:] & quiet[:-1]
        assert still.any()
        assert 0 < changed[still].max() < changed[~still].min()


def test_each_label_moves_in_its_own_way(tmp_path: Path) -> None:
    paths = {}
    for name, words in (("a", ["take"] * 30), ("b", ["pour"] * 30), ("c", ["take"] * 30)):
        write_made_up_labels(tmp_path / name, train=(), test=("clip",))
        (tmp_path / name / "groundTruth" / "clip.txt").write_text("\n".join(words))
        write_standin(tmp_path / name, tmp_path / f"{name}_root", RATE)
        paths[name] = (tmp_path / f"{name}_root" / "Videos" / "clip.mp4").read_bytes()
    assert paths["a"] == paths["c"] != paths["b"]


def test_seconds_cut_labels_and_videos(labels: Path, tmp_path: Path) -> None:
    assert write_standin(labels, tmp_path / "root", RATE, seconds=1.0) == 6 * 15
    whole = labels_of(labels)
    assert labels_of(tmp_path / "root") == {name: words[:15] for name, words in whole.items()}
    with open_video(tmp_path / "root" / "Videos" / "S1_Tea_C1.mp4") as video:
        assert len(video) == 15


def test_a_second_call_goes_on_and_another_is_refused(labels: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    write_standin(labels, root, RATE, seconds=0.4)
    first, other = sorted((root / "Videos").iterdir())[:2]
    content, place = first.read_bytes(), other.stat().st_ino
    first.unlink()
    write_standin(labels, root, RATE, seconds=0.4)
    assert (first.read_bytes(), other.stat().st_ino) == (content, place)
    with pytest.raises(StorageError, match="or the same stand-in, got another"):
        write_standin(labels, root, RATE, seconds=0.8)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "S1_Tea_C1.mp4").touch()
    with pytest.raises(StorageError, match="expected an empty folder"):
        write_standin(labels, tmp_path / "mine", RATE)


@pytest.mark.parametrize("size", [(320, 240), (161, 120), (160, 80), (159, 120)])
def test_it_is_small(labels: Path, tmp_path: Path, size: tuple[int, int]) -> None:
    with pytest.raises(SchemaError, match=f"to 160 x 120 pixel, got {size[0]} x {size[1]}"):
        write_standin(labels, tmp_path / "root", RATE, size=size)


def test_it_says_what_it_is(labels: Path, root: Path, tmp_path: Path) -> None:
    said = "SYNTHETIC: rendered scenes that move as labels say; no video of the data set is in it"
    assert json.loads((root / MARKER).read_text())["synthetic"] == said
    assert synthetic_root(labels) is None
    for path in (root, root / "groundTruth", root / "groundTruth" / "S1_Tea_C1.txt"):
        found = read(path, rate=15)
        assert synthetic_note(found.container.header.provenance) == said
        assert [note.code for note in found.notes] == ["synthetic"]
    assert synthetic_note(read(labels, rate=15).container.header.provenance) is None
    (tmp_path / MARKER).write_text((root / MARKER).read_text().replace("SYNTHETIC", "REAL"))
    with pytest.raises(CorruptDataError, match=re.escape(MARKER)):
        synthetic_root(tmp_path)


def test_made_up_labels_are_those_of_people(labels: Path) -> None:
    known = {line.split()[1] for line in (labels / "mapping.txt").read_text().splitlines()}
    for words in labels_of(labels).values():
        assert set(words) <= known
        assert words[0] == words[-1] == "background"
        assert 72 <= len(words) <= 108

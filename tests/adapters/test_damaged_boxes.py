"""Samples of boxes that were cut, flipped or mixed: an error of ours or boxes that hold, never another exception."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.adapters import Adapted, read_adapted
from lapsdata.containers import Boxes
from lapsdata.errors import LapsError
from lapsdata.plugins import registry

SAMPLES = Path(__file__).parents[1] / "samples"
NAMED = ("coco_boxes", "detection_db")
FILES = [(name, path) for name in NAMED for path in sorted((SAMPLES / name).iterdir())]


def reading(name: str, path: Path) -> Adapted | LapsError:
    try:
        return read_adapted(registry("adapters").load(name), path, {})
    except LapsError as error:
        return error


def expect_whole(found: Adapted | LapsError) -> None:
    """Expect what a user can act on, or boxes that keep the contract and lie in frames that were looked at."""
    if isinstance(found, LapsError):
        assert found.problems
        assert all("expected" in one.message or "cannot" in one.message for one in found.problems)
        return
    boxes = found.container
    assert isinstance(boxes, Boxes)
    for at, sequence in enumerate(boxes.header.sequences):
        looked = {frame for span in sequence.annotated for frame in (*range(span.start, min(span.stop, 1000)),)}
        frames = boxes.frame[boxes.sequence_index == at]
        assert set(frames[frames < 1000].tolist()) <= looked
    assert all(np.isfinite(getattr(boxes, side)).all() for side in "xywh")
    assert all(note.severity in ("warning", "info") for note in found.notes)
    assert boxes.header.provenance.parents


@pytest.mark.parametrize(("name", "path"), FILES, ids=lambda value: value if isinstance(value, str) else value.name)
@given(data=st.data())
def test_damage_is_an_error_or_harmless(
    name: str, path: Path, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1), label="at")
    damage = data.draw(
        st.sampled_from(
            [
                whole[:at],
                whole[at:],
                whole[:at] + bytes([whole[at] ^ (1 << data.draw(st.integers(0, 7), label="bit"))]) + whole[at + 1 :],
                whole[:at] + data.draw(st.sampled_from([b"9", b"-", b"0", b'"', b"/", b"."]), label="new") + whole[at:],
                whole[:at] + data.draw(st.binary(min_size=1, max_size=8), label="bytes") + whole[at:],
                whole[:at] + whole,
            ]
        ),
        label="damage",
    )
    folder = tmp_path_factory.mktemp("damage")
    for other in (SAMPLES / name).iterdir():
        shutil.copy(other, folder / other.name)
    (folder / path.name).write_bytes(damage)
    expect_whole(reading(name, folder / path.name))


@pytest.mark.parametrize(("name", "path"), FILES, ids=lambda value: value if isinstance(value, str) else value.name)
def test_every_sample_is_known_and_read(name: str, path: Path) -> None:
    every = registry("adapters").load_all()
    assert [one for one in every if every[one].recognises(path) is not None] == [name]
    found = reading(name, path)
    assert isinstance(found, Adapted)
    expect_whole(found)


@pytest.mark.parametrize("name", NAMED)
def test_an_empty_folder_and_an_empty_file_are_of_nobody(name: str, tmp_path: Path) -> None:
    adapter = registry("adapters").load(name)
    assert adapter.recognises(tmp_path) is None
    (tmp_path / "one.json").write_bytes(b"")
    assert adapter.recognises(tmp_path / "one.json") is None


def test_what_an_adapter_does_not_take_is_refused_before_it_reads(tmp_path: Path) -> None:
    for name in NAMED:
        found = None
        try:
            read_adapted(registry("adapters").load(name), tmp_path / "nowhere", {"stride": 4})
        except LapsError as error:
            found = error
        assert found is not None
        assert found.problems[0].code == "wrong-option"

"""Samples that were cut, flipped or mixed: an error of ours or segments that hold, never another exception."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.adapters import Adapted, read_adapted
from lapsdata.containers import Segments
from lapsdata.errors import LapsError
from lapsdata.plugins import registry

SAMPLES = Path(__file__).parents[1] / "samples"
TOLD: dict[str, dict[str, Any]] = {"frame_ranges": {"rate": 15, "end": "inclusive"}, "mstcn": {"rate": 15}}
NAMED = ("activitynet", "epic", "frame_ranges", "lab", "laps_segments", "mstcn", "rttm")
FILES = [
    (name, path)
    for name in NAMED
    for path in sorted((SAMPLES / name).rglob("*"))
    if path.is_file() and path.suffix != ".bundle" and path.name != "mapping.txt"
]


def reading(name: str, path: Path) -> Adapted | LapsError:
    try:
        return read_adapted(registry("adapters").load(name), path, TOLD.get(name, {}))
    except LapsError as error:
        return error


def expect_whole(found: Adapted | LapsError, path: Path) -> None:
    """Expect what a user can act on, or segments that keep the contract and lie in the time of their videos."""
    if isinstance(found, LapsError):
        assert found.problems
        assert all("expected" in one.message or "cannot" in one.message for one in found.problems)
        return
    segments = found.container
    assert isinstance(segments, Segments)
    assert len(segments) > 0
    first = np.array([video.start_s for video in segments.header.videos])[segments.video_index]
    last = np.array([video.end_s for video in segments.header.videos])[segments.video_index]
    assert np.all((first <= segments.start_s) & (segments.start_s < segments.end_s) & (segments.end_s <= last))
    assert set(found.unmeasured) <= {video.name for video in segments.header.videos}
    assert all(note.severity in ("warning", "info") for note in found.notes)
    assert segments.header.provenance.parents
    assert path.exists()


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
                whole[:at] + data.draw(st.binary(min_size=1, max_size=8), label="new") + whole[at:],
                whole[:at] + whole,
            ]
        ),
        label="damage",
    )
    folder = tmp_path_factory.mktemp("damage") / path.parent.name
    folder.mkdir()
    (folder / path.name).write_bytes(damage)
    expect_whole(reading(name, folder / path.name), folder)


@pytest.mark.parametrize(("name", "path"), FILES, ids=lambda value: value if isinstance(value, str) else value.name)
def test_every_sample_is_known_and_read(name: str, path: Path) -> None:
    known = [one for one in NAMED if registry("adapters").load(one).recognises(path) is not None]
    assert known == [name]
    found = reading(name, path)
    assert isinstance(found, Adapted)
    expect_whole(found, path)


@pytest.mark.parametrize("name", NAMED)
def test_an_empty_folder_and_an_empty_file_are_of_nobody(name: str, tmp_path: Path) -> None:
    adapter = registry("adapters").load(name)
    assert adapter.recognises(tmp_path) is None
    for ending in ("json", "csv", "txt", "lab", "rttm"):
        (tmp_path / f"one.{ending}").write_bytes(b"")
        assert adapter.recognises(tmp_path / f"one.{ending}") is None


@pytest.mark.parametrize("name", NAMED)
def test_what_an_adapter_does_not_take_is_refused_before_it_reads(name: str, tmp_path: Path) -> None:
    adapter = registry("adapters").load(name)
    found = None
    try:
        read_adapted(adapter, tmp_path / "nowhere", {"stride": 4, "rate": None, "zeros": "measured"})
    except LapsError as error:
        found = error
    assert found is not None
    (problem,) = found.problems
    assert (problem.code, problem.fix) == (
        "wrong-option",
        f"leave it out: it means nothing to the files of {name}",
    )
    assert problem.message.endswith("to be said beside it, got stride")

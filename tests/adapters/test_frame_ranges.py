"""Ranges of frames: both dialects, both ends, and the frame that two ranges share."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.adapters import find_adapter
from lapsdata.adapters.frame_ranges import read
from lapsdata.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLES = Path(__file__).parents[1] / "samples" / "frame_ranges"


def frames(segments: Any, rate: int) -> list[tuple[int, int, str]]:
    times = zip(segments.start_s.tolist(), segments.end_s.tolist(), segments.label, strict=True)
    return [(round(start * rate), round(end * rate), label) for start, end, label in times]


def test_of_coarse_files_the_last_frame_is_part(rows: Callable[[Any], Any]) -> None:
    found = read(SAMPLES / "P03_tea.txt", rate=15, end="inclusive")
    assert rows(found.container) == [("P03_tea", 0, 2, "SIL"), ("P03_tea", 2, 5, "take_cup"), ("P03_tea", 5, 6, "SIL")]
    assert found.notes == ()


def test_verbs_are_labels_and_a_shared_frame_is_the_next_one_s() -> None:
    found = read(SAMPLES / "S1_Tea.txt", rate=15, end="inclusive")
    # One frame more than its numbers say where nothing follows; none where the next one begins with the last.
    assert frames(found.container, 15) == [(0, 19, "take"), (19, 40, "pour"), (49, 60, "put")]
    assert found.container.header.policies == {"shared_frames": 1}
    assert [note.code for note in found.notes] == ["objects-left-out", "shared-frames"][::-1]
    bare = read(SAMPLES / "S1_Tea.txt", rate=15, end="exclusive")
    assert frames(bare.container, 15) == [(0, 19, "take"), (19, 39, "pour"), (49, 59, "put")]
    assert bare.container.header.policies == {}


@given(lengths=st.lists(st.integers(2, 9), min_size=1, max_size=9), verb=st.booleans())
def test_neighbours_leave_no_sliver_between_them(
    lengths: list[int], verb: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("ranges") / "one.txt"
    edges = list(itertools.accumulate(lengths, initial=0))
    line = "<{2}><cup> ({0}-{1})\n" if verb else "{0}-{1} {2}\n"
    text = "".join(line.format(a + 1, b, f"l{k}") for k, (a, b) in enumerate(itertools.pairwise(edges)))
    path.write_text(text)
    inclusive = frames(read(path, rate=10, end="inclusive").container, 10)
    assert [row[:2] for row in inclusive] == list(itertools.pairwise(edges))
    slivers = frames(read(path, rate=10, end="exclusive").container, 10)
    assert [row[:2] for row in slivers] == [(a, b - 1) for a, b in itertools.pairwise(edges)]


def test_they_are_known_by_their_first_line(tmp_path: Path) -> None:
    for path in (SAMPLES, SAMPLES / "S1_Tea.txt"):
        found = find_adapter(path)
        assert found is not None
        assert (found[0].name, found[1]) == ("frame_ranges", "segments")
    for text in ("SIL\nSIL\n", "1-30\n", "page 1-30 of it\n", ""):
        (tmp_path / "a.txt").write_text(text)
        assert find_adapter(tmp_path / "a.txt") is None


@pytest.mark.parametrize(
    ("text", "said", "message"),
    [
        ("1-2 a", {"end": "inclusive"}, "expected frames per second, got none: ranges of frames carry no times"),
        ("1-2 a", {"rate": 15}, "is part of it, got none; give --end inclusive, as Breakfast has it, or --end ex"),
        ("1-2 a", {"rate": 15, "end": "maybe"}, "is part of it, got maybe"),
        (
            "1-2 a\nx",
            {"rate": 15, "end": "inclusive"},
            r"line 2: expected a range of frames and a label, got 'x'; 1-30",
        ),
        ("0-2 a", {"rate": 15, "end": "inclusive"}, "expected frames from 1 that rise, got 0 to 2"),
        ("5-2 a", {"rate": 15, "end": "inclusive"}, "expected frames from 1 that rise, got 5 to 2"),
    ],
)
def test_what_is_wrong_is_named(text: str, said: dict[str, Any], message: str, tmp_path: Path) -> None:
    (tmp_path / "bad.txt").write_text(text)
    with pytest.raises(SchemaError, match=message):
        read(tmp_path / "bad.txt", **said)

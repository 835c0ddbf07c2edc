"""The strategies draw what they promise: each unusual thing that the contract allows does occur."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings

from lapsdata.schema import RECORDS
from lapsdata.testing import strategies

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import SearchStrategy

    from lapsdata.containers import Boxes, Container, Energies, Episodes, Segments, Tokens, Tracks

# One case is enough, and needs not be the smallest.
OFTEN = settings(max_examples=2000, database=None, derandomize=True, phases=[Phase.generate])


def positions(tracks: Tracks) -> list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    return [(tracks.tracks[view], tracks.vis[view]) for view in tracks.tracks]


def sizes(tracks: Tracks) -> set[tuple[int, int]]:
    return {(view.size.width, view.size.height) for view in tracks.header.views.values()}


def points(tracks: Tracks) -> set[int]:
    return {view.points for view in tracks.header.views.values()}


def uneven(frame_s: np.ndarray[Any, Any]) -> bool:
    return len(frame_s) > 2 and bool(np.ptp(np.diff(frame_s)) > 0.01)


def columns(*optional: object) -> int:
    return sum(column is not None for column in optional)


TRACKS: dict[str, Callable[[Tracks], bool]] = {
    "a single window": lambda made: len(made) == 1,
    "a single step": lambda made: made.header.horizon == 1,
    "views of unlike sizes": lambda made: len(sizes(made)) > 1,
    "views of unlike numbers of points": lambda made: len(points(made)) > 1,
    "three views": lambda made: len(made.tracks) == 3,
    "a point lost in one coordinate": lambda made: any((np.isnan(xy).sum(-1) == 1).any() for xy, _ in positions(made)),
    "a point lost in both": lambda made: any((np.isnan(xy).sum(-1) == 2).any() for xy, _ in positions(made)),
    "an invisible point with a place": lambda made: any(
        (~vis & np.isfinite(xy).all(-1)).any() for xy, vis in positions(made)
    ),
    "a point outside of the frame": lambda made: any((xy < 0).any() for xy, _ in positions(made)),
    "a stride": lambda made: made.header.stride > 1,
    "windows left out": lambda made: len(made) > 1 and bool((np.diff(made.start_index) > made.header.stride).any()),
    "a first window after the first frame": lambda made: made.start_index[0] > 0,
    "a variable rate": lambda made: made.header.rate is None and uneven(made.frame_s),
    "a known rate": lambda made: made.header.rate is not None,
    "times below zero": lambda made: made.frame_s[0] < 0,
    "resampled, with a frame twice": lambda made: (
        made.source_index is not None and len(set(made.source_index.tolist())) < len(made.source_index)
    ),
    "resampled, with a frame left out": lambda made: (
        made.source_index is not None and bool((np.diff(made.source_index) > 1).any())
    ),
    "a border around the picture": lambda made: any(view.active_area.x > 0 for view in made.header.views.values()),
    "policies": lambda made: len(made.header.policies) == 2,
}
TOKENS: dict[str, Callable[[Tokens], bool]] = {
    "no latents": lambda made: made.prequant is None and made.quantized is None,
    "latents before only": lambda made: made.prequant is not None and made.quantized is None,
    "latents after only": lambda made: made.prequant is None and made.quantized is not None,
    "both latents": lambda made: made.prequant is not None and made.quantized is not None,
    "two streams": lambda made: made.header.streams == 2,
    "the last code": lambda made: int(made.codes.max()) == made.header.tokenizer.codes - 1,
}
ENERGIES: dict[str, Callable[[Energies], bool]] = {
    "no row": lambda made: len(made) == 0,
    "a video without a row between others": lambda made: (
        len(made.header.videos) == 3 and set(made.video_index.tolist()) == {0, 2}
    ),
    "every state": lambda made: set(made.state.tolist()) == {0, 1, 2},
    "steps left out": lambda made: len(made) > 1 and bool((np.diff(made.index) > 1).any()),
    "windows": lambda made: made.header.per == "window",
    "no hop": lambda made: made.header.hop_s is None,
}
EPISODES: dict[str, Callable[[Episodes], bool]] = {
    "a single number per row": lambda made: any(feature.shape == () for feature in made.header.features),
    "a table in a row": lambda made: any(len(feature.shape) == 2 for feature in made.header.features),
    "part of a vector": lambda made: any(group.stop - group.start > 1 for group in made.header.groups),
    "every kind of camera": lambda made: {"pixels", "encoded"} == {camera.stored for camera in made.header.cameras},
    "an episode that a camera has not seen": lambda made: any(
        len(made) > 1 and set((index < 0).tolist()) == {True, False} for index in made.video_index.values()
    ),
    "two episodes in a file": lambda made: len(set(made.file_index.tolist())) < len(made),
    "numbers left out": lambda made: len(made) > 1 and bool((np.diff(made.number) > 1).any()),
    "two tasks of an episode": lambda made: bool((np.diff(made.task_stop, prepend=0) > 1).any()),
    "no task": lambda made: len(made.header.tasks) > 1 and len(made.task_number) == 0,
    "arrays in groups": lambda made: made.groups is not None and len(made) > 1,
    "no column of times": lambda made: made.header.time is None,
}
SEGMENTS: dict[str, Callable[[Segments], bool]] = {
    "no video": lambda made: len(made.header.videos) == 0,
    "no row": lambda made: len(made.header.videos) > 0 and len(made) == 0,
    "every column": lambda made: columns(made.score, made.codes, made.embedding) == 3 and len(made) > 1,
    "no column": lambda made: columns(made.score, made.codes, made.embedding) == 0 and len(made) > 1,
    "no code in a segment": lambda made: made.codes is not None and any(len(codes) == 0 for codes in made.codes),
    "a score that is missing": lambda made: made.score is not None and bool(np.isnan(made.score).any()),
    "no label": lambda made: None in made.label,
    "a closed list of labels": lambda made: made.header.labels is not None and len(set(made.label)) > 1,
    "an empty label": lambda made: "" in made.label,
}
BOXES: dict[str, Callable[[Boxes], bool]] = {
    "no row": lambda made: len(made) == 0,
    "a sequence without a box": lambda made: len(set(made.sequence_index.tolist())) < len(made.header.sequences),
    "two boxes in a frame": lambda made: len(made) > len(set(zip(made.sequence_index, made.frame, strict=True))),
    "no identity": lambda made: bool((made.id == -1).any()),
    "no area": lambda made: bool(((made.w == 0) & (made.h > 0)).any()),
    "ignored": lambda made: bool(made.ignored.any()),
    "every column": lambda made: columns(made.score, made.visibility, made.source_id) == 3 and len(made) > 1,
    "no column": lambda made: columns(made.score, made.visibility, made.source_id) == 0 and len(made) > 1,
    "no name in the source": lambda made: made.source_id is not None and None in made.source_id,
    "two annotated ranges": lambda made: any(len(sequence.annotated) == 2 for sequence in made.header.sequences),
    "nothing annotated": lambda made: any(not sequence.annotated for sequence in made.header.sequences),
}
OCCUR: dict[str, tuple[Callable[[], SearchStrategy[Any]], dict[str, Any]]] = {
    "tracks": (strategies.tracks, TRACKS),
    "tokens": (strategies.tokens, TOKENS),
    "energies": (strategies.energies, ENERGIES),
    "episodes": (strategies.episodes, EPISODES),
    "segments": (strategies.segments, SEGMENTS),
    "boxes": (strategies.boxes, BOXES),
}


@pytest.mark.parametrize(("record", "what"), [(record, what) for record, (_, every) in OCCUR.items() for what in every])
def test_it_occurs(record: str, what: str) -> None:
    strategy, predicates = OCCUR[record]
    made = find(strategy(), predicates[what], settings=OFTEN)
    assert predicates[what](made)


@pytest.mark.parametrize("record", OCCUR)
def test_a_drawn_header_is_one_that_a_file_may_hold(record: str) -> None:
    strategy, _ = OCCUR[record]

    @settings(max_examples=40)
    @given(strategy())
    def check(made: Container) -> None:
        assert RECORDS[f"{record}.v1"].parse(made.header.to_bytes()) == made.header

    check()


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(lambda name: not name.isascii(), id="other scripts"),
        pytest.param(lambda name: ord(max(name)) > 0xFFFF, id="beyond the first plane"),
        pytest.param(lambda name: len(name) == 200, id="the longest"),
        pytest.param(lambda name: len(name) == 1, id="the shortest"),
        pytest.param(lambda name: " " in name, id="spaces"),
        pytest.param(lambda name: unicodedata.normalize("NFC", name) != name, id="not in normal form"),
    ],
)
def test_names_are_of_every_kind(kind: Callable[[str], bool]) -> None:
    assert kind(find(strategies.names(), kind, settings=OFTEN))


@given(strategies.names())
def test_no_name_is_a_path(name: str) -> None:
    assert name
    assert name[0] != "."
    assert not {"/", "\\", "\0", "\n"} & set(name)


@given(strategies.rates())
def test_rates_are_exact(rate: Any) -> None:
    assert type(rate).parse(str(rate)) == rate


def test_rates_are_whole_and_broken() -> None:
    assert find(strategies.rates(), lambda rate: rate.denominator == 1001, settings=OFTEN)
    assert find(strategies.rates(), lambda rate: rate.denominator == 1, settings=OFTEN)

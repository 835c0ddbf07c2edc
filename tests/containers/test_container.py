"""What every container keeps: read-only, equal by content, whole after a pickle, safe to show in a notebook."""

from __future__ import annotations

import copy
import dataclasses
import html.parser
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.containers import Boxes, Container, Energies, Segments, Tokens, Tracks
from lapsdata.containers.base import ArrayCheck
from lapsdata.errors import LengthMismatchError, SchemaError
from lapsdata.testing import strategies
from lapsdata.testing.samples import sample_boxes, sample_energies, sample_segments, sample_tokens, sample_tracks

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLES: tuple[Callable[[], Container], ...] = (
    lambda: sample_tracks(views=("left", "right")),
    lambda: sample_tokens(latent=3),
    sample_energies,
    sample_segments,
    sample_boxes,
)
ANY = st.one_of(
    strategies.tracks(), strategies.tokens(), strategies.energies(), strategies.segments(), strategies.boxes()
)
each = pytest.mark.parametrize("make", SAMPLES, ids=["tracks", "tokens", "energies", "segments", "boxes"])


class Labelled(np.ndarray):  # type: ignore[type-arg]
    """An array of somebody else."""


class Table(html.parser.HTMLParser):
    """Reads a table back: rows of cells, and every tag that occurs."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows:
            self.rows[-1][-1] += data


@each
def test_there_is_something_to_hold(make: Callable[[], Container]) -> None:
    container = make()
    arrays = dict(container.arrays())
    assert arrays
    assert container.nbytes == sum(array.size * array.itemsize for array in arrays.values())
    assert len(container) > 0


@each
def test_no_array_can_be_written_to(make: Callable[[], Container]) -> None:
    for name, array in make().arrays():
        assert not array.flags.writeable, name
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


@each
def test_no_field_can_be_replaced(make: Callable[[], Container]) -> None:
    container = make()
    for field in dataclasses.fields(container):
        with pytest.raises(dataclasses.FrozenInstanceError, match=field.name):
            setattr(container, field.name, None)


def test_no_view_can_be_given_other_arrays() -> None:
    tracks = sample_tracks()
    with pytest.raises(TypeError, match="does not support item assignment"):
        tracks.tracks["default"] = np.zeros((3, 4, 5, 2), np.float32)  # type: ignore[index]


def test_arrays_are_not_copied_and_the_callers_stay_writable() -> None:
    tracks = sample_tracks()
    frame_s = tracks.frame_s.copy()
    again = dataclasses.replace(tracks, frame_s=frame_s)
    assert np.shares_memory(again.frame_s, frame_s)
    assert frame_s.flags.writeable


@each
@pytest.mark.parametrize("protocol", [2, pickle.HIGHEST_PROTOCOL])
def test_pickles_are_equal_and_read_only(make: Callable[[], Container], protocol: int) -> None:
    container = make()
    for again in (pickle.loads(pickle.dumps(container, protocol)), copy.deepcopy(container), copy.copy(container)):
        assert again.equals(container)
        assert not any(array.flags.writeable for _, array in again.arrays())


@given(ANY)
@settings(max_examples=60)
def test_every_valid_container_survives_a_pickle(container: Container) -> None:
    again = pickle.loads(pickle.dumps(container))
    assert again.equals(container)
    assert container.equals(again)


@each
def test_equality_sees_every_array_column_and_header(make: Callable[[], Container]) -> None:
    one, other = make(), make()
    assert one.equals(other)
    assert one != other, "== is identity: comparing arrays is a matter of `equals`"
    changed = one.header.model_copy(update={"policies": {"clip": 1}})
    assert not one.equals(dataclasses.replace(one, header=changed))
    assert not one.equals(next(sample() for sample in SAMPLES if type(sample()) is not type(one)))


@pytest.mark.parametrize(
    ("make", "field", "change"),
    [
        (sample_tracks, "frame_s", lambda v: v + 1),
        (sample_tracks, "tracks", lambda v: {"default": v["default"] * np.float32(2)}),
        (sample_tracks, "vis", lambda v: {"default": np.zeros_like(v["default"])}),
        (sample_tokens, "codes", lambda v: 11 - v),
        (sample_energies, "energy", lambda v: v * 2),
        (sample_segments, "label", lambda v: (*v[:2], "reach")),
        (sample_segments, "score", lambda _: None),
        (sample_segments, "codes", lambda v: (*v[:2], np.array([8], np.int32))),
        (sample_segments, "codes", lambda _: None),
        (sample_boxes, "source_id", lambda v: (*v[:3], "x")),
        (sample_boxes, "source_id", lambda _: None),
        (sample_boxes, "ignored", lambda v: ~v),
    ],
)
def test_equality_sees_one_changed_field(
    make: Callable[[], Container], field: str, change: Callable[[Any], Any]
) -> None:
    one = make()
    other = dataclasses.replace(one, **{field: change(getattr(one, field))})
    assert not one.equals(other)
    assert not other.equals(one)


def test_nan_equals_nan_but_not_a_number() -> None:
    tracks = sample_tracks()
    positions = tracks.tracks["default"].copy()
    assert np.isnan(positions).any()
    same = dataclasses.replace(tracks, tracks={"default": positions.copy()})
    assert tracks.equals(same)
    positions[np.isnan(positions)] = 0
    assert not tracks.equals(dataclasses.replace(tracks, tracks={"default": positions}))


def test_dtypes_count() -> None:
    energies = sample_energies()
    other = copy.deepcopy(energies)
    object.__setattr__(other, "energy", energies.energy.astype(np.float32).astype(np.float64))
    object.__setattr__(energies, "energy", energies.energy.astype(np.float32))
    assert np.array_equal(energies.energy, other.energy, equal_nan=True)
    assert not energies.equals(other)


@each
def test_texts_show_every_fact(make: Callable[[], Container]) -> None:
    container = make()
    table = Table(container._repr_html_())
    assert dict(table.rows) == container.facts()
    assert table.tags == {"table", "caption", "tr", "th", "td"}
    assert type(container).__name__ in container._repr_html_()
    for name, text in container.facts().items():
        assert f"{name}: {text}" in repr(container)


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "a & b", "\"'><b>", "x<y"])
def test_names_in_a_notebook_are_text_and_not_markup(name: str) -> None:
    # A closing tag holds a slash, which no name may; views and videos without one are as dangerous.
    name = name.replace("/", "")
    tracks = sample_tracks()
    video = tracks.header.video.model_copy(update={"name": name})
    shown = dataclasses.replace(tracks, header=tracks.header.model_copy(update={"video": video}))
    table = Table(shown._repr_html_())
    assert table.tags == {"table", "caption", "tr", "th", "td"}
    assert dict(table.rows)["video"] == name
    boxes = sample_boxes()
    table = Table(dataclasses.replace(boxes, source=(name,) * len(boxes))._repr_html_())
    assert table.tags == {"table", "caption", "tr", "th", "td"}
    assert dict(table.rows)["sources"] == name


@pytest.mark.parametrize(
    ("make", "facts"),
    [
        (sample_tracks, {"video": "clip_0", "windows": "3 of 4 frames, every 1", "tracker": "sample 1",
                         "time": "0.000 to 0.600 s, 6 frames, rate 10", "default/tracks": "float32 (3, 4, 5, 2)"}),
        (lambda: sample_tracks(rate=None), {"time": "0.000 to 0.600 s, 6 frames, rate variable"}),
        (lambda: sample_tracks(windows=1, horizon=1), {"time": "0.000 to 0.000 s, 1 frames, rate 10"}),
        (sample_tokens, {"video": "clip_0", "codes": "int32 (3, 3)", "time": "0.000 to 0.500 s, rate 10"}),
        (sample_energies, {"videos": "2", "measure": "velocity velocity_step, support 0.2 s",
                           "rows": "12 (6 measured, 4 gated, 2 missing)"}),
        (sample_segments, {"videos": "2", "labels": "2", "start_s": "float64 (3,)"}),
        (sample_boxes, {"sequences": "2", "identities": "2", "sources": "detector, truth"}),
    ],
)  # fmt: skip
def test_facts_are_what_one_wants_to_know(make: Callable[[], Container], facts: dict[str, str]) -> None:
    assert facts.items() <= make().facts().items()


@given(ANY)
@settings(max_examples=40)
def test_every_valid_container_can_be_shown(container: Container) -> None:
    assert dict(Table(container._repr_html_()).rows).keys() == container.facts().keys()
    assert repr(container).startswith(type(container).__name__ + "(")


def test_a_container_cannot_be_made_without_a_kind() -> None:
    with pytest.raises(TypeError, match="abstract class Container"):
        Container(sample_tracks().header)  # type: ignore[abstract]


def test_the_sample_covers_all_kinds() -> None:
    assert {type(make()) for make in SAMPLES} == {Tracks, Tokens, Energies, Segments, Boxes}


class TestArrayCheck:
    def test_only_lengths_wrong_is_a_length_mismatch(self) -> None:
        check = ArrayCheck("place")
        assert check.array("a", np.zeros(3), ("R",), np.float64)
        assert not check.array("b", np.zeros(4), ("R",), np.float64)
        assert not check.texts("c", ("x",), "R")
        with pytest.raises(LengthMismatchError, match="expected R = 3 as in a, got 4") as caught:
            check.finish()
        assert len(caught.value.problems) == 2

    def test_other_faults_beside_it_are_a_schema_error(self) -> None:
        check = ArrayCheck("place")
        check.array("a", np.zeros(3), ("R",), np.float64)
        check.array("b", np.zeros(4, np.float32), ("R",), np.float64)
        with pytest.raises(SchemaError, match="2 problems") as caught:
            check.finish()
        assert type(caught.value) is SchemaError
        assert {p.code for p in caught.value.problems} == {"wrong-dtype", "length-mismatch"}

    def test_nothing_wrong_raises_nothing(self) -> None:
        check = ArrayCheck("place")
        assert check.texts("c", ("x", None), "R", optional=True)
        assert check.array("a", np.zeros((2, 3)), ("R", 3), np.float64)
        check.finish()

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            ([1.0], "a: expected float64 (R, 2) array, got list; use np.asarray [not-an-array]"),
            (None, "a: expected float64 (R, 2) array, got NoneType; use np.asarray [not-an-array]"),
            (np.float64(1), "a: expected float64 (R, 2) array, got float64; use np.asarray [not-an-array]"),
            (np.zeros((1, 2), ">f8"), "a: expected float64, got >f8; convert it on purpose with .astype(np.float64)"),
            (np.zeros((1, 2), object), "a: expected float64, got object;"),
            (np.zeros((1, 3)), "a: expected shape (R, 2), got (1, 3) [wrong-shape]"),
            (np.zeros(2), "a: expected shape (R, 2), got (2,) [wrong-shape]"),
            (np.array(1.0), "a: expected shape (R, 2), got () [wrong-shape]"),
        ],
    )
    def test_messages_say_expected_and_got(self, value: object, message: str) -> None:
        check = ArrayCheck("")
        assert not check.array("a", value, ("R", 2), np.float64)
        (problem,) = check.problems
        assert str(problem).startswith(message)

    @given(st.lists(st.booleans(), min_size=1, max_size=30))
    def test_rows_name_the_first_and_the_count(self, bad: list[bool]) -> None:
        check = ArrayCheck("")
        check.rows("odd", "a", np.array(bad), "expected even")
        texts = [problem.message for problem in check.problems]
        assert texts == ([f"expected even; first at {bad.index(True)}, {sum(bad)} in all"] if any(bad) else [])

    def test_steps_name_the_row_that_breaks_the_order(self) -> None:
        check = ArrayCheck("")
        values = np.array([0, 1, 5, 3, 4])
        check.steps("order", "a", values[1:] < values[:-1], "expected rising")
        (problem,) = check.problems
        assert problem.message == "expected rising; first at 3, 1 in all"

    def test_places_in_arrays_of_more_dimensions_are_tuples(self) -> None:
        check = ArrayCheck("")
        bad = np.zeros((2, 3), bool)
        bad[1, 2] = True
        check.rows("odd", "a", bad, "expected even")
        (problem,) = check.problems
        assert problem.message == "expected even; first at (1, 2), 1 in all"

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            (np.ma.masked_less(np.zeros((1, 2)), 0), "expected a plain ndarray, got MaskedArray; use .filled("),
            (np.zeros((1, 2)).view(np.matrix), "expected a plain ndarray, got matrix; use np.asarray [not-an-array]"),
            (np.zeros((1, 2)).view(np.recarray), "expected a plain ndarray, got recarray; use np.asarray"),
            (np.zeros((1, 2)).view(Labelled), "expected a plain ndarray, got Labelled; use np.asarray"),
        ],
    )  # fmt: skip
    def test_arrays_with_rules_of_their_own_are_refused(self, value: object, message: str) -> None:
        check = ArrayCheck("")
        assert not check.array("a", value, ("R", 2), np.float64)
        (problem,) = check.problems
        assert str(problem).startswith(f"a: {message}")

    def test_half_of_a_surrogate_pair_is_named_with_its_row(self) -> None:
        check = ArrayCheck("")
        assert not check.texts("a", ("x", "b\udc80", None, "\ud800", "🖐"), "R", optional=True)
        (problem,) = check.problems
        assert str(problem) == (
            "a: expected text that UTF-8 can spell, got 'b\\udc80' in row 1 (2 such rows) [wrong-text]"
        )

    def test_texts_are_counted(self) -> None:
        check = ArrayCheck("")
        assert not check.texts("a", ("x", 1, None), "R")
        assert not check.texts("b", ["x"], "R")
        assert [str(problem) for problem in check.problems] == [
            "a: expected texts, got int in row 1 (2 such rows) [wrong-dtype]",
            "b: expected a tuple of texts, got list; use tuple(...) [wrong-dtype]",
        ]


@each
def test_a_header_that_was_changed_past_its_checks_is_refused(make: Callable[[], Container]) -> None:
    container = make()
    made = container.header.provenance.model_copy(update={"version": "", "producer": "a/b"})
    header = container.header.model_copy(update={"provenance": made, "policies": {"clip": -1}, "colour": "red"})
    with pytest.raises(SchemaError, match="4 problems") as caught:
        dataclasses.replace(container, header=header)
    place = f"{type(container).__name__.lower()}: header: "
    assert {p.where.removeprefix(place) for p in caught.value.problems} == {
        "provenance.version", "provenance.producer", "policies.clip", "colour",
    }  # fmt: skip


def test_a_header_that_was_changed_by_the_rules_is_taken_as_a_reader_will_find_it() -> None:
    boxes = sample_boxes()
    parameters = {"threshold": 1}
    made = boxes.header.provenance.model_copy(update={"parameters": parameters})
    listed = boxes.header.model_copy(update={"sequences": list(boxes.header.sequences), "provenance": made})
    held = dataclasses.replace(boxes, header=listed).header
    assert held == type(held).parse(held.to_bytes())
    assert isinstance(held.sequences, tuple)
    parameters["threshold"] = 2
    assert held.provenance.parameters == {"threshold": 1}, "the container's header is its own"


@pytest.mark.parametrize("half", ["\ud800", "a\udfffb"])
def test_texts_that_no_file_can_hold_are_refused(half: str) -> None:
    with pytest.raises(SchemaError, match=r"segments: label: expected text that UTF-8 can spell, got .* in row 1 \(1 "):
        dataclasses.replace(sample_segments(), label=("a", half, None))
    with pytest.raises(SchemaError, match="2 problems") as caught:
        dataclasses.replace(sample_boxes(), label=(half,) * 4, source_id=(None, half, None, None))
    assert {(p.code, p.where) for p in caught.value.problems} == {
        ("wrong-text", "boxes: label"),
        ("wrong-text", "boxes: source_id"),
    }


@pytest.mark.parametrize(
    ("container", "foreign", "wanted"),
    [
        (sample_tracks(), sample_tokens(), "TracksHeader"),
        (sample_tokens(), sample_tracks(), "TokensHeader"),
        (sample_energies(), sample_boxes(), "EnergiesHeader"),
        (sample_segments(), sample_energies(), "SegmentsHeader"),
        (sample_boxes(), sample_segments(), "BoxesHeader"),
    ],
)
def test_the_header_of_another_record_is_refused_by_name(container: Container, foreign: Container, wanted: str) -> None:
    got = type(foreign.header).__name__
    with pytest.raises(SchemaError, match=rf"header: expected a {wanted}, got {got} \[wrong-header\]"):
        dataclasses.replace(container, header=foreign.header)

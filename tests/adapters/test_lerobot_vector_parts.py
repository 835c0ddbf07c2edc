"""Parts of vectors: what names and numbers mean, where they lie after others have grown, and what else keeps them."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lapsdata
from lapsdata.adapters import EpisodesEdit
from lapsdata.adapters.lerobot._edit_numbers import rewritten
from lapsdata.adapters.lerobot._edit_parts import Span, Vectors
from lapsdata.adapters.lerobot._edit_rotations import Turn, moved
from lapsdata.adapters.lerobot._edit_senses import SenseChange
from lapsdata.adapters.lerobot.adding import add_column
from lapsdata.adapters.lerobot.converting import convert_set
from lapsdata.adapters.lerobot.editing import edit_sets
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.errors import Problems
from lapsdata.geometry import rotation_width
from lapsdata.schema import Feature, Group
from lapsdata.testing.samples import sample_episodes
from tests.adapters.by_hand_vectors import LENGTHS, ROWS, STARTS, hands, parts_of, spelled, stored, write_vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

RNG = np.random.default_rng(11)
STATE = RNG.uniform(-1, 1, (ROWS, 3)).astype(np.float32)
ACTION = RNG.uniform(-1, 1, (ROWS, 3)).astype(np.float32)
WORDS = ["axis_angle", "quaternion", "rotation_6d", "matrix"]


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    header = sample_episodes().header
    features = (
        Feature(name="action", dtype="float64", shape=(8,)),
        Feature(name="picture", dtype="float32", shape=(4, 4)),
        Feature(name="maybe", dtype="float32", shape=(3,), nullable=True),
        Feature(name="count", dtype="int64", shape=(3,)),
    )
    groups = (
        Group(name="action.arm", feature="action", start=2, stop=6),
        Group(name="action[6:8]", feature="action", start=6, stop=8),
        Group(name="state.count", feature="count", start=0, stop=2),
    )
    return Vectors(header.model_copy(update={"features": features, "groups": groups}))


@pytest.mark.parametrize(
    ("text", "begin", "wanted"),
    [
        ("action", "", Span("action", 0, 8)),
        ("action[1:3]", "", Span("action", 1, 3)),
        ("action[:3]", "", Span("action", 0, 3)),
        ("action[5:]", "", Span("action", 5, 8)),
        ("action[:]", "", Span("action", 0, 8)),
        ("action.arm", "", Span("action", 2, 6)),
        ("arm", "action.", Span("action", 2, 6)),
        # Of a part, numbers count from its own start; a name that is there comes before what it would mean.
        ("arm[1:3]", "action.", Span("action", 3, 5)),
        ("action[6:8]", "", Span("action", 6, 8)),
        ("action[6:8][1:2]", "", Span("action", 7, 8)),
    ],
)
def test_what_a_name_means(vectors: Vectors, text: str, begin: str, wanted: Span) -> None:
    found = Problems()
    assert vectors.span(text, "place", found, begin=begin) == wanted
    assert not found


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("arm", "unknown-part", "such as action.arm, action[6:8], action; got arm"),
        ("picture", "unknown-part", "got picture"),
        ("maybe", "unknown-part", "got maybe"),
        ("count[0:1]", "unknown-part", "got count[0:1]"),
        ("state.count", "unknown-part", "got state.count"),
        ("action[3]", "unknown-part", "got action[3]"),
        ("action[-2:]", "unknown-part", "got action[-2:]"),
        ("action[4:4]", "wrong-part", "expected numbers within 0:8 of action, got 4:4: a part begins before it ends"),
        ("action.arm[0:5]", "wrong-part", "expected numbers within 0:4 of action.arm, got 0:5"),
    ],
)
def test_what_means_nothing(vectors: Vectors, text: str, code: str, message: str) -> None:
    found = Problems()
    assert vectors.span(text, "place", found) is None
    ((got_code, got_message),) = ((one.code, one.message) for one in found)
    assert got_code == code
    assert got_message.endswith(message)


layouts = st.lists(
    st.one_of(
        st.integers(1, 3).map(lambda wide: (wide, None)),
        st.tuples(st.sampled_from(WORDS), st.sampled_from(WORDS)).filter(lambda pair: pair[0] != pair[1]),
    ),
    min_size=1,
    max_size=5,
)


@given(layout=layouts, large=st.booleans())
def test_numbers_that_are_not_rewritten_are_where_they_are_said_to_be(layout: list[Any], large: bool) -> None:
    """A vector of any plain parts and rotations: each part is found at its new place, in a list of the same kind."""
    parts, turns, spans, at = [], [], [], 0
    for number, (first, second) in enumerate(layout):
        values = RNG.uniform(-1, 1, (ROWS, first)) if second is None else spelled(hands(number), first)
        span = Span("action", at, at + values.shape[1])
        turns += [] if second is None else [Turn(span, first, second)]
        parts.append(values)
        spans.append(span)
        at = span.stop
    whole = np.concatenate(parts, axis=1)
    kind = pa.large_list(pa.float64()) if large else pa.list_(pa.float64())
    table = pa.table({"action": pa.array(whole.tolist(), kind), "other": np.arange(ROWS)})
    found, locked = rewritten(table, [], turns, "here")
    assert not locked
    assert found.schema.equals(table.schema)
    after = np.array(found.column("action").to_pylist())
    assert after.shape[1] == sum(first if second is None else rotation_width(second) for first, second in layout)
    for number, (span, (_, second)) in enumerate(zip(spans, layout, strict=True)):
        place = moved(span, turns)
        assert place is not None
        wanted = parts[number] if second is None else spelled(hands(number), second)
        np.testing.assert_allclose(after[:, place.start : place.stop], wanted, atol=1e-9)
        # What holds several parts holds them still; what cuts a rotation has no place.
        assert moved(Span("action", 0, span.stop), turns) == Span("action", 0, place.stop)
        if second is not None:
            assert moved(Span("action", span.start + 1, span.stop), turns) is None
    assert moved(Span("other", 0, 1), turns) == Span("other", 0, 1)


def test_states_are_those_of_the_source_while_they_are_rewritten_themselves() -> None:
    """An action is a step from the state that its row had, whatever form that state gets in the same conversion."""
    hand, goal = hands(1), hands(2)
    table = pa.table(
        {name: pa.array(spelled(one, "axis_angle").tolist()) for name, one in (("state", hand), ("action", goal))}
    )
    span, origin = Span("action", 0, 3), Span("state", 0, 3)
    sense = SenseChange(span, origin, None, "absolute", "relative")
    found, _ = rewritten(table, [sense], [Turn(origin, "axis_angle", "matrix")], "here")
    plain = spelled(goal, "axis_angle") - spelled(hand, "axis_angle")
    np.testing.assert_allclose(np.array(found.column("action").to_pylist()), plain, atol=1e-12)
    np.testing.assert_allclose(np.array(found.column("state").to_pylist()), spelled(hand, "matrix"), atol=1e-12)


@settings(max_examples=4)
@given(order=st.permutations(["place", "turn", "grip"]), version=st.sampled_from(["v2.0", "v3.0"]))
def test_parts_of_groot_keep_their_samples_in_any_order(order: list[str], version: str) -> None:
    values = {"place": STATE, "turn": spelled(hands(5), "quaternion").astype(np.float32), "grip": ACTION[:, :1]}
    entries, at = {}, 0
    for name in order:
        entries[name] = {"start": at, "end": at + values[name].shape[1]}
        at += values[name].shape[1]
    entries["turn"]["rotation_type"] = "quaternion"  # type: ignore[assignment]  # a word beside numbers
    columns: dict[str, NDArray[Any]] = {"observation.state": np.concatenate([values[name] for name in order], axis=1)}
    with tempfile.TemporaryDirectory() as folder:
        root = write_vectors(Path(folder) / "a", columns, version=version, modality={"state": entries})
        edit = EpisodesEdit(rotations={"state.turn": "rotation_6d"})
        edit_sets([root], Path(folder) / "b", None, edit)
        batch = lapsdata.open_steps(
            Path(folder) / "b", fields=[f"state.{name}" for name in order], rotations={"state.turn": "quaternion"}
        ).gather(range(ROWS))
    for name in order:
        np.testing.assert_allclose(batch[f"state.{name}"], values[name], atol=2e-6, err_msg=name)
    np.testing.assert_array_equal(batch["state.place"], STATE)


def test_a_chunk_of_steps_is_relative_row_by_row_and_not_to_one_state(tmp_path: Path) -> None:
    """What the conversion says: a policy of chunks wants a set of places, opened relative to the present state."""
    root = write_vectors(tmp_path / "a", {"observation.state": STATE, "action": ACTION})
    edit_sets([root], tmp_path / "b", None, EpisodesEdit(actions={"action": "relative"}))
    deltas = {"action": [0.0, 0.1]}
    stored_so = lapsdata.open_steps(tmp_path / "b", deltas, fields=["action"]).gather(range(ROWS))["action"]
    opened_so = lapsdata.open_steps(root, deltas, relative={"action": "observation.state"}, fields=["action"])
    present = opened_so.gather(range(ROWS))["action"]
    ahead = np.minimum(np.arange(ROWS) + 1, STARTS + np.repeat(LENGTHS, LENGTHS) - 1)
    np.testing.assert_array_equal(stored_so[:, 0], present[:, 0])
    np.testing.assert_array_equal(stored_so[:, 1], (ACTION - STATE)[ahead])
    np.testing.assert_array_equal(present[:, 1], ACTION[ahead] - STATE)


def test_what_is_said_of_parts_goes_into_every_copy(tmp_path: Path) -> None:
    root = write_vectors(tmp_path / "a", {"observation.state": STATE, "action": ACTION})
    edit_sets([root], tmp_path / "b", None, EpisodesEdit(actions={"action": "delta"}))
    said = parts_of(tmp_path / "b")
    convert_set(tmp_path / "b", tmp_path / "c", "lerobot-3.0")
    entry = {"dtype": "int64", "shape": [1], "names": None, "info": {"nullable": True}}
    labels = {0: (np.ones((LENGTHS[0], 1), np.int64), np.zeros(LENGTHS[0], bool))}
    add_column(read_set(tmp_path / "c"), tmp_path / "d", "label", entry, labels)
    edit_sets([tmp_path / "d", tmp_path / "d"], tmp_path / "e", None, EpisodesEdit(drop=("label",)))
    for name in "cde":
        assert parts_of(tmp_path / name) == said
    # From any of them leads the way back; an action that begins a second episode begins at its own state.
    edit_sets([tmp_path / "e"], tmp_path / "f", None, EpisodesEdit(actions={"action": "absolute"}))
    np.testing.assert_allclose(stored(tmp_path / "f", "action"), np.tile(ACTION, (2, 1)), atol=1e-6)
    assert parts_of(tmp_path / "f") == []


def test_sources_stay_and_nothing_is_left_where_something_went_wrong(tmp_path: Path) -> None:
    root = write_vectors(tmp_path / "a", {"observation.state": STATE, "action": ACTION}, version="v3.0")
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    edit_sets([root], tmp_path / "b", None, EpisodesEdit(actions={"action": "relative"}))
    path = tmp_path / "b/data/chunk-000/file-000.parquet"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(lapsdata.LapsError, match=r"file-000\.parquet"):
        edit_sets([tmp_path / "b"], tmp_path / "c", None, EpisodesEdit(actions={"action": "absolute"}))
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a", "b"]
    assert {path: path.read_bytes() for path in before} == before
    assert json.loads((root / "meta/info.json").read_text())["features"]["action"].get("info") is None
    assert pq.read_table(root / "data").num_rows == ROWS

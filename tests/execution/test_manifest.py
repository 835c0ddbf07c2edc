"""What an output says about itself decides what is done: never twice, never over somebody else's file."""

from __future__ import annotations

import hashlib
import json
import math
import os
import pickle
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lapsdata
from lapsdata.errors import (
    CorruptDataError,
    FormatTooNewError,
    LapsError,
    Problem,
    SchemaError,
    StorageError,
    UnknownFormatError,
)
from lapsdata.execution.manifest import STATES, Found, Job, Refused, WorkItem, judge, plan, work_key
from lapsdata.schema.base import Parent
from lapsdata.storage import atomic
from lapsdata.testing.samples import sample_boxes, sample_tracks

if TYPE_CHECKING:
    from collections.abc import Callable

DIGEST = "sha256:" + 64 * "0"

states = st.sampled_from(STATES)


def items_of(states: list[Any], units: int | None = 3) -> tuple[WorkItem[Any], ...]:
    return tuple(
        WorkItem(f"clip_{number}", Path(f"out/{number}.h5"), DIGEST, payload=state, units=units)
        for number, state in enumerate(states)
    )


def look(item: WorkItem[Any]) -> Found:
    return Found(item.payload)


# Plans


@given(states=st.lists(states), force=st.booleans())
def test_a_plan_keeps_every_item_in_order_and_does_what_is_not_done(states: list[str], force: bool) -> None:
    items = items_of(states)
    found = plan(iter(items), look, force=force)
    outputs = [job.output if isinstance(job, Refused) else job.item.output for job in found.jobs]
    assert outputs == [item.output for item in items]
    expected = [item for item in items if item.payload != "foreign" and (force or item.payload != "done")]
    assert [job.item for job in found.to_do] == expected
    assert found.units == 3 * len(expected)
    expected_counts = {state: states.count(state) for state in ("missing", "done", "changed", "damaged")}
    expected_counts["refused"] = states.count("foreign")
    assert found.counts == expected_counts


@given(states=st.lists(states), force=st.booleans())
def test_only_what_was_there_may_be_replaced_and_never_what_is_foreign(states: list[str], force: bool) -> None:
    for job in plan(items_of(states), look, force=force).to_do:
        assert job.overwrite == (job.item.payload in {"done", "changed", "damaged"})


def test_a_foreign_output_is_refused_and_named_also_when_forced() -> None:
    def foreign(item: WorkItem[Any]) -> Found:
        return Found("foreign", "a holiday picture")

    for force in (False, True):
        (job,) = plan(items_of(["any"]), foreign, force=force).jobs
        assert isinstance(job, Refused)
        assert job.why == "a holiday picture"
        assert job.problems == (
            Problem(
                "foreign-output",
                "out/0.h5",
                "expected nothing, or an output of this command, got something else (a holiday picture): "
                "it is left as it is",
                "move it away, or choose another folder",
            ),
        )


def test_an_output_that_cannot_be_looked_at_is_refused_and_the_others_are_done() -> None:
    problem = Problem("no-permission", "out/1.h5", "cannot open: no permission")

    def blind(item: WorkItem[Any]) -> Found:
        if item.payload == "blind":
            raise LapsError(problem)
        return Found("missing")

    found = plan(items_of(["", "blind", ""]), blind)
    assert [job.item.name for job in found.to_do] == ["clip_0", "clip_2"]
    assert found.jobs[1] == Refused("clip_1", Path("out/1.h5"), (problem,))
    assert found.counts["refused"] == 1


def test_an_item_whose_input_is_unfit_keeps_its_place_and_is_not_looked_at() -> None:
    one, two = items_of(["missing", "done"])
    unfit = Refused("clip_5", Path("out/5.h5"), (Problem("too-short", "clip_5.mp4", "expected 16 frames, got 5"),))
    found = plan([one, unfit, two], look, force=True)
    assert found.jobs[1] is unfit
    assert [job.item for job in found.to_do] == [one, two]
    assert found.units == 6


def test_items_that_are_refused_may_share_a_name_that_no_other_has() -> None:
    problem = Problem("doubled-name", "a/clip.mp4", "expected a name of its own")
    refused = Refused("clip", Path("out/clip.h5"), (problem,))
    (other,) = items_of(["missing"])
    found = plan([refused, other, refused], look)
    assert (found.counts["refused"], found.to_do) == (2, (Job(other, Found("missing")),))
    with pytest.raises(SchemaError, match=r"clip: expected one item of this name, got 2; .*\[same-name\]"):
        plan([refused, WorkItem("clip", Path("out/other.h5"), DIGEST, None)], look)
    with pytest.raises(SchemaError, match=r"other: expected an output of its own, got that of another: out/clip\.h5"):
        plan([refused, WorkItem("other", Path("out/clip.h5"), DIGEST, None)], look)


def test_a_fault_of_the_look_itself_is_no_finding() -> None:
    def broken(item: WorkItem[Any]) -> Found:
        raise ZeroDivisionError("look")

    with pytest.raises(ZeroDivisionError, match="look"):
        plan(items_of(["done"]), broken)


def test_units_are_unknown_if_one_item_does_not_know() -> None:
    known, unknown = items_of(["missing"], units=3), items_of(["missing", "missing"], units=None)
    assert plan((*known, unknown[1]), look).units is None
    assert plan((*known, *items_of(["", "done"], units=None)[1:]), look).units == 3


def test_items_of_one_name_are_refused_before_anything_is_looked_at() -> None:
    looked: list[object] = []

    def note(item: WorkItem[Any]) -> Found:
        looked.append(item)
        return Found("missing")

    one = WorkItem("clip", Path("a/clip.h5"), DIGEST, None)
    two = WorkItem("clip", Path("b/clip.h5"), DIGEST, None)
    with pytest.raises(SchemaError, match=r"clip: expected one item of this name, got 3; .*\[same-name\]"):
        plan([one, two, WorkItem("clip", Path("c.h5"), DIGEST, None)], note)
    assert looked == []


def test_items_of_one_output_are_refused_each_of_them_named() -> None:
    one = WorkItem("one", Path("out/clip.h5"), DIGEST, None)
    two = WorkItem("two", Path("out/clip.h5"), DIGEST, None)
    with pytest.raises(SchemaError, match=r"(?s)2 problems:.*one: expected an output of its own.*two: .*out/clip\.h5"):
        plan([one, two], look)


def test_a_job_travels(tmp_path: Path) -> None:
    job = Job(WorkItem("clip", tmp_path, DIGEST, {"points": 400}), Found("damaged", "cut"))
    assert pickle.loads(pickle.dumps(job)) == job


# Looks


@pytest.fixture
def item(tmp_path: Path) -> WorkItem[None]:
    return WorkItem("clip", tmp_path / "clip.h5", DIGEST, None)


def test_nothing_there_is_missing_and_is_not_opened(item: WorkItem[None]) -> None:
    def never(path: Path) -> str:
        raise AssertionError(path)

    assert judge(item, never) == Found("missing")


@pytest.mark.parametrize(
    ("key", "state"), [(DIGEST, "done"), ("sha256:" + 64 * "1", "changed"), ("", "changed"), (None, "foreign")]
)
def test_a_whole_output_is_judged_by_its_key(item: WorkItem[None], key: str | None, state: str) -> None:
    item.output.touch()
    assert judge(item, lambda path: key).state == state


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        (CorruptDataError, "damaged"),
        (UnknownFormatError, "foreign"),
        (FormatTooNewError, "foreign"),
        (SchemaError, "foreign"),
    ],
)
def test_what_opening_raises_is_a_finding_with_its_reason(
    item: WorkItem[None], kind: type[LapsError], state: str
) -> None:
    item.output.touch()

    def refuse(path: Path) -> str:
        raise kind(Problem("code", str(path), "the reason"))

    found = judge(item, refuse)
    assert found.state == state
    assert "the reason" in found.why


def test_what_it_would_be_made_of_is_asked_only_where_there_is_something_to_compare_it_with(tmp_path: Path) -> None:
    asked: list[str] = []

    def now() -> str:
        asked.append("now")
        return DIGEST

    item = WorkItem("clip", tmp_path / "clip.txt", "", payload=None)
    assert judge(item, Path.read_text, now) == Found("missing")
    item.output.write_text("torn")
    assert judge(item, lambda _: None, now).state == "foreign"
    assert asked == []
    item.output.write_text(DIGEST)
    assert judge(item, Path.read_text, now) == Found("done")
    item.output.write_text("sha256:11")
    assert judge(item, Path.read_text, now) == Found("changed", f"made of sha256:11, now {DIGEST}")
    assert asked == ["now", "now"]


def test_other_errors_are_no_finding(item: WorkItem[None]) -> None:
    item.output.touch()

    def refuse(path: Path) -> str:
        raise StorageError(Problem("no-permission", str(path), "cannot open: no permission"))

    with pytest.raises(StorageError, match="no permission"):
        judge(item, refuse)
    (job,) = plan([item], lambda item: judge(item, refuse)).jobs
    assert isinstance(job, Refused)
    assert job.problems[0].code == "no-permission"


def test_a_link_to_nothing_is_something(item: WorkItem[None]) -> None:
    item.output.symlink_to("nowhere")

    def key(path: Path) -> str | None:
        return None

    assert judge(item, key).state == "foreign"


def test_a_folder_that_a_killed_writer_moved_aside_is_the_output(
    item: WorkItem[None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where folders cannot change places in one step, a kill between two renames leaves the old one aside."""
    item.output.mkdir()
    (item.output / "key").write_text(DIGEST)
    monkeypatch.setattr(atomic, "_exchange", lambda one, other: False)
    monkeypatch.setattr(Path, "rename", killed_after(1, Path.rename))
    with pytest.raises(KeyboardInterrupt, match="killed"), atomic.atomic_folder(item.output, overwrite=True):
        pass
    monkeypatch.undo()
    assert not item.output.exists()
    assert judge(item, lambda path: (path / "key").read_text()) == Found("done")


def killed_after(count: int, function: Callable[..., Any]) -> Callable[..., Any]:
    calls = iter(range(count))

    def call(*arguments: Any) -> Any:
        if next(calls, None) is None:
            raise KeyboardInterrupt("killed")
        return function(*arguments)

    return call


# Real outputs


def key_of(path: Path) -> str | None:
    """Read the whole file, and tell the key from where its header says that it comes from."""
    made = lapsdata.read(path, lapsdata.Tracks, verify="always").header.provenance
    return work_key(made.producer, made.version, made.parameters, made.parents)


@pytest.fixture
def tracked(tmp_path: Path) -> WorkItem[None]:
    tracks = sample_tracks()
    made = tracks.header.provenance
    path = tmp_path / "clip.h5"
    lapsdata.write(path, tracks)
    return WorkItem("clip", path, work_key(made.producer, made.version, made.parameters, made.parents), None)


def test_a_tracks_file_says_that_it_is_done(tracked: WorkItem[None]) -> None:
    assert judge(tracked, key_of) == Found("done")


def test_a_tracks_file_of_other_parameters_has_changed(tracked: WorkItem[None]) -> None:
    other = WorkItem("clip", tracked.output, work_key("lapsdata", "9", {"points": 7}, []), None)
    assert judge(other, key_of).state == "changed"


@pytest.mark.parametrize("name", ["clip.h5", "clip.zarr"])
def test_a_flipped_bit_is_damage(name: str, tmp_path: Path) -> None:
    tracks = sample_tracks()
    path = tmp_path / name
    lapsdata.write(path, tracks)
    victim = path if path.is_file() else max(path.rglob("c/**/*"), key=lambda inner: inner.is_file())
    data = bytearray(victim.read_bytes())
    where = data.find(next(iter(tracks.tracks.values()))[0, 0].tobytes()[:16])
    assert where > 0 or path.is_dir()
    data[max(where, 0) + 3] ^= 1
    victim.write_bytes(data)
    assert judge(WorkItem("clip", path, DIGEST, None), key_of).state == "damaged"


def test_skip_if_exists_on_an_unfinished_file(tmp_path: Path) -> None:
    """Regression: a run that was killed left a file that the next run took for done."""
    import h5py

    path = tmp_path / "clip.h5"
    whole = tmp_path / "whole.h5"
    lapsdata.write(whole, sample_tracks())
    shutil.copy(whole, path)
    with h5py.File(path, "r+") as file:
        seals = [name for name in _names(file) if "seal" in name]
        for name in seals:
            del file[name]
    assert seals
    todo = plan([WorkItem("clip", path, key_of(whole) or "", None)], lambda item: judge(item, key_of))
    assert [(job.found.state, job.overwrite) for job in todo.to_do] == [("damaged", True)]


def _names(file: Any) -> list[str]:
    names: list[str] = []
    file.visit(names.append)
    return names


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_is_never_done(share: float, tracked: WorkItem[None]) -> None:
    whole = tracked.output.read_bytes()
    tracked.output.write_bytes(whole[: int(share * len(whole))])
    assert judge(tracked, key_of).state in {"damaged", "foreign"}


@pytest.mark.parametrize("content", ["boxes", "text", "folder", "hdf5"])
def test_somebody_elses_file_is_foreign(content: str, tmp_path: Path) -> None:
    import h5py

    path = tmp_path / "clip"
    if content == "boxes":
        lapsdata.write(path, sample_boxes(), format="boxes_parquet")
    elif content == "text":
        path.write_text("holiday")
    elif content == "folder":
        (path / "pictures").mkdir(parents=True)
    else:
        with h5py.File(path, "w") as file:
            file["root/default/tracks"] = [1.0, 2.0]
    assert judge(WorkItem("clip", path, DIGEST, None), key_of).state == "foreign"


# Keys

digests = st.integers(0, 2**256 - 1).map("sha256:{:064x}".format)
parents = st.lists(
    st.builds(Parent, role=st.sampled_from(["video", "tracks"]), name=st.sampled_from("ab"), digest=digests)
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False) | st.text("xyz"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("xyz"), inner, max_size=3),
    max_leaves=5,
)
parameters = st.dictionaries(st.text("abc", min_size=1), json_values, max_size=4)


@given(parameters=parameters, inputs=parents)
def test_a_key_is_a_digest_and_does_not_depend_on_order_or_names(
    parameters: dict[str, Any], inputs: list[Parent]
) -> None:
    key = work_key("track", "1.0", parameters, inputs)
    assert key[:7] == "sha256:"
    assert len(key) == 7 + 64
    turned = dict(reversed(parameters.items()))
    renamed = [parent.model_copy(update={"name": "another"}) for parent in inputs]
    assert work_key("track", "1.0", turned, renamed) == key


@given(parameters=parameters, inputs=parents, name=st.text("abcd", min_size=1), value=json_values, digest=digests)
def test_a_key_changes_with_everything_that_counts(
    parameters: dict[str, Any], inputs: list[Parent], name: str, value: Any, digest: str
) -> None:
    key = work_key("track", "1.0", parameters, inputs)
    assert work_key("encode", "1.0", parameters, inputs) != key
    assert work_key("track", "1.1", parameters, inputs) != key
    changed = {**parameters, name: value}
    same = name in parameters and json.dumps(value, sort_keys=True) == json.dumps(parameters[name], sort_keys=True)
    assert (work_key("track", "1.0", changed, inputs) == key) == same
    more = Parent(role="video", name="one more", digest=digest)
    assert work_key("track", "1.0", parameters, [*inputs, more]) != key
    if inputs and inputs[0].digest != digest:
        other = inputs[0].model_copy(update={"digest": digest})
        assert work_key("track", "1.0", parameters, [other, *inputs[1:]]) != key


def test_the_key_of_a_header_is_the_key_of_its_plan() -> None:
    made = sample_tracks().header.provenance
    again = type(made).parse(made.to_bytes())
    assert work_key(made.producer, made.version, made.parameters, made.parents) == work_key(
        again.producer, again.version, again.parameters, again.parents
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, {1, 2}, Path("x"), "\ud800"])
def test_parameters_that_json_cannot_hold_are_refused(value: Any) -> None:
    with pytest.raises(SchemaError, match=r"parameters: expected JSON values, got others \(.*\) \[wrong-value\]"):
        work_key("track", "1.0", {"rate": value}, [])


def test_the_key_is_the_digest_of_one_line_of_json() -> None:
    """Any other program can compute it."""
    line = '{"inputs":[["video","' + DIGEST + '"]],"parameters":{"points":400},"tool":"track","version":"1.0"}'
    video = Parent(role="video", name="clip.mp4", digest=DIGEST)
    expected = "sha256:" + hashlib.sha256(line.encode()).hexdigest()
    assert work_key("track", "1.0", {"points": 400}, [video]) == expected


def test_a_folder_that_is_not_there_is_no_obstacle(tmp_path: Path) -> None:
    assert judge(WorkItem("clip", tmp_path / "new" / "clip.h5", DIGEST, None), key_of) == Found("missing")


def test_a_name_that_the_system_refuses_is_refused(tmp_path: Path) -> None:
    item = WorkItem("clip", tmp_path / (os.pathconf(tmp_path, "PC_NAME_MAX") * "n" + "n"), DIGEST, None)
    (job,) = plan([item], lambda item: judge(item, key_of)).jobs
    assert isinstance(job, Refused)
    assert job.problems[0].code == "wrong-name"

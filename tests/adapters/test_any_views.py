"""Views of any file are opened by one verb, whoever wrote them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata.adapters import Adapted, Adapter, _any_views, expect_views
from lapsdata.errors import SchemaError, StorageError, UnknownFormatError
from lapsdata.formats import write
from lapsdata.testing.opv2v_scenes import Opv2vScene, write_opv2v
from lapsdata.testing.samples import sample_energies, sample_views

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_of_ours_is_opened_and_its_pixels_stay_where_they_are(tmp_path: Path) -> None:
    write(tmp_path / "scene.views.h5", sample_views())
    found = expect_views(tmp_path / "scene.views.h5")
    assert (found.format, found.notes) == ("views_hdf5", ())
    assert found.views.equals(sample_views())


def test_a_root_of_others_is_read_with_what_is_told_of_it(tmp_path: Path) -> None:
    scenes = [
        Opv2vScene(split, f"2021_08_22_21_41_2{place}", ("641", "650"), (69,), size=(16, 12), beams=(4, 8))
        for place, split in enumerate(("train", "validate"))
    ]
    write_opv2v(tmp_path, scenes)
    assert expect_views(tmp_path).views.sets == 2
    narrow = expect_views(tmp_path, split="train", agents="1")
    assert (narrow.format, narrow.views.sets, set(narrow.views.agent)) == ("opv2v", 1, {"641"})
    assert narrow.takes == {"split", "depth_root", "agents"}
    with pytest.raises(SchemaError, match="agents: expected 2, or train=2,validate=4:drawn@SEED"):
        expect_views(tmp_path, agents="two")


def test_nothing_is_said_of_files_of_ours(tmp_path: Path) -> None:
    write(tmp_path / "scene.views.h5", sample_views())
    assert expect_views(tmp_path / "scene.views.h5", split="train").takes == frozenset()
    said: list[tuple[dict[str, Any], str]] = [
        ({"depth_root": tmp_path}, "got depth_root; leave"),
        ({"agents": "2"}, "got agents; leave"),
        ({"depth_root": tmp_path, "agents": "2"}, "got depth_root and agents; leave it out: depth and agents were se"),
    ]
    for told, match in said:
        with pytest.raises(SchemaError, match=match) as caught:
            expect_views(tmp_path / "scene.views.h5", **told)
        (problem,) = caught.value.problems
        assert (problem.code, problem.where) == ("wrong-option", str(tmp_path / "scene.views.h5"))


def test_depth_lies_in_a_root_of_its_own_and_only_of_the_split_that_is_read(tmp_path: Path) -> None:
    scenes = [
        Opv2vScene(split, f"2021_08_22_21_41_2{place}", ("641",), (69,), size=(16, 12), beams=(4, 8))
        for place, split in enumerate(("train", "validate"))
    ]
    write_opv2v(tmp_path / "root", scenes[:1], depth_root=tmp_path / "depth")
    write_opv2v(tmp_path / "root", scenes[1:])
    found = expect_views(tmp_path / "root", split="train", depth_root=tmp_path / "depth")
    assert found.views.present["depth"].all()
    truth = scenes[0].depth("641", 69, 0)
    near = truth < 900
    np.testing.assert_allclose(found.views.read("depth", 0)[near], truth[near], atol=1e-3)
    assert not expect_views(tmp_path / "root", split="val").views.present["depth"].any()
    with pytest.raises(SchemaError, match=r"depth: expected one of the splits train, got 'validate'"):
        expect_views(tmp_path / "root", split="val", depth_root=tmp_path / "depth")
    with pytest.raises(StorageError, match="nowhere"):
        expect_views(tmp_path / "root", depth_root=tmp_path / "nowhere")


def test_an_adapter_that_knows_no_splits_is_not_asked_for_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[dict[str, Any]] = []

    def read(path: Path, **told: Any) -> Adapted:
        asked.append(told)
        return Adapted(sample_views())

    for takes in (frozenset[str](), frozenset({"agents"}), None):
        theirs = Adapter("theirs", "Of others", lambda path: "views", read, takes=takes)
        monkeypatch.setattr(_any_views, "find_adapter", lambda path, records, one=theirs: (one, "views"))
        found = expect_views(tmp_path, split="train")
        assert found.takes == ({"split", "depth_root", "agents"} if takes is None else takes)
    assert asked == [{}, {}, {"split": "train"}]
    expect_views(tmp_path, agents="2")
    assert asked[-1] == {"agents": "2"}
    closed = Adapter("theirs", "Of others", lambda path: "views", read, takes=frozenset())
    monkeypatch.setattr(_any_views, "find_adapter", lambda path, records: (closed, "views"))
    with pytest.raises(SchemaError, match="expected nothing to be said beside it, got depth_root; leave it out"):
        expect_views(tmp_path, depth_root=tmp_path)


def test_what_holds_no_views_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "energies.jsonl", sample_energies())
    with pytest.raises(UnknownFormatError, match="expected views, got energies; name a file with views"):
        expect_views(tmp_path / "energies.jsonl")
    np.save(tmp_path / "views.npy", np.zeros(3))
    with pytest.raises(UnknownFormatError, match=r"views\.npy"):
        expect_views(tmp_path / "views.npy")
    with pytest.raises(StorageError, match="gone"):
        expect_views(tmp_path / "gone")

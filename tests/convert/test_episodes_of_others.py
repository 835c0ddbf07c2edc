"""Data sets of LeRobot by `lapsdata convert`: the versions that there are, what is told, and what is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import lapsdata
from lapsdata._convert import convert
from lapsdata.adapters import EpisodesEdit, writers
from lapsdata.adapters.lerobot import PLUGIN
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.errors import SchemaError, UnknownFormatError
from lapsdata.testing.episode_sets import write_lerobot
from lapsdata.testing.samples import sample_episodes, sample_tracks

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("to", "version"), [("lerobot-2.0", "v2.0"), ("lerobot-2.1", "v2.1"), ("gr00t", "v2.0"), ("lerobot-3.0", "v3.0")]
)
def test_each_version_is_a_target(tmp_path: Path, to: str, version: str) -> None:
    root = write_lerobot(tmp_path / "a", version="v2.1" if version != "v2.1" else "v3.0")
    report = convert(root, tmp_path / "b", to=to, workers=1)
    assert read_set(tmp_path / "b", strict=True).version == version
    assert report.facts["episodes"] == "3"
    assert "largest error" not in report.facts
    assert writers()[to] is PLUGIN.writer


def test_what_is_lost_and_what_became_of_videos_is_in_the_report(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a", version="v3.0", lengths=(4, 6, 5, 7), videos=True)
    report = convert(root, tmp_path / "b", to="lerobot-2.1", workers=1)
    told = {problem.code: problem for problem in report.problems}
    assert "3 episodes begin or end at no keyframe" in told["videos-encoded"].message
    assert told["unverified"].message.startswith("4 episodes carry no checksum")
    assert json.loads(json.dumps(report.as_json()))["items"][0]["made"]["unit"] == "episodes"


def test_the_source_and_what_is_there_stay_as_they_are(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a", version="v2.1")
    with pytest.raises(SchemaError, match="expected an output apart from its source"):
        convert(root, root, to="lerobot-3.0", workers=1)
    convert(root, tmp_path / "b", to="lerobot-3.0", workers=1)
    before = (tmp_path / "b/meta/info.json").read_bytes()
    again = convert(root, tmp_path / "b", to="lerobot-2.0", workers=1)
    assert [problem.code for problem in again.problems] == ["foreign-output"]
    assert (tmp_path / "b/meta/info.json").read_bytes() == before


def test_without_a_target_those_that_there_are_are_named(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a")
    with pytest.raises(UnknownFormatError, match=r"lerobot-2\.1, .*gr00t, .*got no --to.*name it: --to lerobot-3\.0"):
        convert(root, tmp_path / "b", workers=1)


def test_the_same_version_again_is_refused(tmp_path: Path) -> None:
    report = convert(write_lerobot(tmp_path / "a"), tmp_path / "b", to="lerobot-2.1", workers=1)
    assert [problem.code for problem in report.problems] == ["same-format"]
    assert not (tmp_path / "b").exists()


def test_episodes_of_others_have_no_tables_to_carry_over(tmp_path: Path) -> None:
    assert PLUGIN.writer is not None
    with pytest.raises(UnknownFormatError, match=r"expected a data set of LeRobot, .*, got 3 others"):
        PLUGIN.writer.write(tmp_path / "b", sample_episodes(), root=tmp_path, to="lerobot-3.0")


def test_edits_keep_the_version_unless_another_is_named(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a", version="v3.0")
    report = convert(root, tmp_path / "b", edit=EpisodesEdit(episodes="1:"), workers=1)
    assert report.facts["episodes"] == "2"
    told = {problem.code: problem.message for problem in report.problems}
    assert told["episodes-kept"] == "2 of 3 episodes are kept, 1-2: they are numbered from 0 now"
    assert told["unverified"].startswith("2 episodes carry no checksum")
    assert read_set(tmp_path / "b", strict=True).version == "v3.0"
    convert(root, tmp_path / "c", to="lerobot-2.1", edit=EpisodesEdit(drop=("next.reward",)), workers=1)
    assert read_set(tmp_path / "c", strict=True).version == "v2.1"


def test_several_sets_become_one(tmp_path: Path) -> None:
    roots = [write_lerobot(tmp_path / name, version=version) for name, version in (("a", "v2.0"), ("b", "v3.0"))]
    report = convert(roots, tmp_path / "c", workers=1)
    assert (report.facts["episodes"], read_set(tmp_path / "c", strict=True).version) == ("6", "v2.0")


def test_a_set_is_not_written_into_any_of_its_sources(tmp_path: Path) -> None:
    roots = [write_lerobot(tmp_path / name) for name in "ab"]
    with pytest.raises(SchemaError, match="expected an output apart from its source"):
        convert(roots, roots[1] / "c", workers=1)


def test_what_went_wrong_while_merging_is_in_the_report(tmp_path: Path) -> None:
    roots = [write_lerobot(tmp_path / "a"), write_lerobot(tmp_path / "b", fps=20.0)]
    report = convert(roots, tmp_path / "c", workers=1)
    assert [problem.code for problem in report.problems] == ["unlike-sets"]
    assert not (tmp_path / "c").exists()


def test_nothing_else_can_be_merged_or_edited(tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "clip.h5", sample_tracks())
    for given in ({"source": [tmp_path / "clip.h5"] * 2}, {"source": tmp_path / "clip.h5", "edit": EpisodesEdit()}):
        with pytest.raises(SchemaError, match=r"expected (a data set of )?robot episodes.*, got tracks"):
            convert(target=tmp_path / "b.zarr", workers=1, **given)  # type: ignore[arg-type]  # two ways to say too much

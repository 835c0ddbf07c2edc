"""A conversion that is stopped as it ends: what stands is told as made, and what is told as not done does not stand."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

import lapsdata
from lapsdata import _convert
from lapsdata._convert import convert
from lapsdata._convert._writing import convert_item
from lapsdata.adapters import EpisodesEdit
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.execution.report import Interrupted
from lapsdata.testing.demo_files import write_robomimic
from lapsdata.testing.episode_sets import write_lerobot
from lapsdata.testing.samples import sample_segments, sample_tracks, sample_views

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SET = {"lerobot-3.0": "b", "lerobot-2.0": "b", "gr00t": "b", "shards": "b", "robomimic": "b.hdf5"}


class Stopped:
    """An engine that is stopped before an item, or when the worker has made it and could not say so."""

    def __init__(self, after: bool) -> None:
        self.after = after

    def __call__(self, workers: int | None) -> Stopped:
        return self

    def run(self, task: Any, items: Any, **_: Any) -> None:
        for item in items:
            if self.after:
                task(item, lambda units: None)
        raise KeyboardInterrupt


def stopped(monkeypatch: pytest.MonkeyPatch, *words: Any, after: bool, **said: Any) -> Any:
    with monkeypatch.context() as patch:
        patch.setattr(_convert, "LocalEngine", Stopped(after))
        with pytest.raises(Interrupted, match="SIGINT") as caught:
            convert(*words, **said)
    assert caught.value.number == signal.SIGINT
    return caught.value.report


@pytest.mark.parametrize("to", SET)
def test_what_stands_is_made_and_what_does_not_can_be_done_again(
    to: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, target = write_lerobot(tmp_path / "a", version="v2.1"), tmp_path / SET[to]
    report = stopped(monkeypatch, root, target, to=to, after=False)
    assert (report.counts["left"], target.exists()) == (1, False)
    assert [problem.code for problem in report.problems] == ["interrupted"]
    report = stopped(monkeypatch, root, target, to=to, after=True)
    assert (report.counts["made"], report.counts["left"], target.exists()) == (1, 0, True)
    (note,) = report.problems
    assert (note.code, note.severity, note.fix) == ("notes-not-heard", "warning", f"lapsdata check {target} reads it")
    assert report.facts["made"] == "1"
    assert "not done" not in report.facts
    # What stood there before is not taken for what this run has made.
    assert stopped(monkeypatch, write_lerobot(tmp_path / "c"), tmp_path / "d", to=to, after=False).counts["left"] == 1
    again = convert(root, target, to=to)
    assert [problem.code for problem in again.problems] == ["foreign-output"]
    assert "where a run was killed as it ended, lapsdata check tells whether it is whole" in again.problems[0].message


@pytest.mark.parametrize("name", ["clip.zarr", "clip.h5"])
def test_files_of_ours_are_told_by_their_key(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = tmp_path / "clip_0.h5", tmp_path / "out" / name
    target.parent.mkdir()
    lapsdata.write(source, sample_tracks())
    assert stopped(monkeypatch, source, target, after=True).counts["made"] == 1
    assert convert(source, target).counts["kept"] == 1
    # Made again it is only if the run came so far: the old one is no proof of that.
    report = stopped(monkeypatch, source, target, profile="compact", after=False)
    assert (report.counts["left"], report.counts["made"]) == (1, 0)
    assert stopped(monkeypatch, source, target, force=True, after=False).counts["left"] == 1
    monkeypatch.setattr("lapsdata._convert._standing.look", broken)
    report = stopped(monkeypatch, source, tmp_path / "out" / f"other{target.suffix}", after=True)
    assert report.counts["left"] == 1


def broken(*_: Any, **__: Any) -> None:
    raise lapsdata.LapsError(lapsdata.errors.Problem("no-permission", "", "cannot be read"))


def segments(folder: Path) -> Path:
    lapsdata.write(folder / "clip.segments.parquet", sample_segments())
    return folder / "clip.segments.parquet"


def views(folder: Path) -> Path:
    folder.mkdir()
    lapsdata.write(folder / "street.views.h5", sample_views())
    return folder / "street.views.h5"


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        (write_lerobot, "b", {"to": "lerobot-3.0"}),
        (write_lerobot, "b", {"to": "shards"}),
        (write_lerobot, "b", {"to": "lerobot-2.0", "edit": EpisodesEdit(episodes="1:")}),
        (write_lerobot, "b.hdf5", {"to": "robomimic"}),
        (write_robomimic, "b", {"to": "lerobot-2.1"}),
        (write_robomimic, "b", {"to": "lerobot-3.0"}),
        (segments, "b.segments.jsonl", {"to": "laps_segments"}),
        (views, "b", {"to": "wai"}),
    ],
)
def test_no_unit_is_told_when_the_output_stands(
    source: Callable[[Path], Path], target: str, said: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stop is granted where units are told: what it ends must leave nothing."""
    told: list[tuple[int, bool]] = []

    def watched(job: Any, tell: Any) -> Any:
        return convert_item(job, lambda units: told.append((units, job.item.output.exists())))

    monkeypatch.setattr(_convert, "convert_item", watched)
    given = tmp_path / "a.hdf5" if source is write_robomimic else tmp_path if source is segments else tmp_path / "a"
    report = convert(source(given), tmp_path / "out" if target == "b" else tmp_path / target, **said)
    assert report.counts["made"] == 1, [str(problem) for problem in report.problems]
    assert told
    assert not any(stands for _, stands in told)
    assert sum(units for units, _ in told) == report.made[0].windows


def test_a_stop_that_is_granted_at_the_last_unit_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_lerobot(tmp_path / "a", videos=True)

    def granted(job: Any, tell: Any) -> Any:
        def stop(units: int) -> None:
            raise KeyboardInterrupt

        return convert_item(job, stop)

    monkeypatch.setattr(_convert, "convert_item", granted)
    for to, name in SET.items():
        with pytest.raises(KeyboardInterrupt, match="1 of 1 items were not done"):
            convert(root, tmp_path / name, to=to)
        assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert len(read_set(root).episodes) == 3

"""A recording has one writer, and an end: what comes after it, or beside it, is refused and harms nothing."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.adapters.lerobot.recorder import EpisodeWriter, finish_recording
from lapsdata.errors import SchemaError, StorageError
from tests.adapters.full_disk import Full

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.adapters.lerobot.converting import LeRobotTarget


def add(writer: EpisodeWriter, value: float = 0.0) -> int:
    return writer.add_episode({"action": np.full((5, 2), value)}, task="pick")


def content(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("to", ["lerobot-3.0", "lerobot-2.1", "gr00t", "shards"])
def test_a_finished_set_takes_no_more_episodes(tmp_path: Path, to: LeRobotTarget) -> None:
    """Regression: one more wrote tables of version 2.0 over a set of 3.0, whose rows were lost."""
    writer = EpisodeWriter(tmp_path / "a", fps=10, to=to)
    add(writer)
    writer.close()
    before = content(tmp_path / "a")
    for wrong in (add, begin):
        with pytest.raises(SchemaError, match=r"got one that has finished the set; record what comes into another"):
            wrong(writer)
    assert content(tmp_path / "a") == before
    assert read_set(tmp_path / "a", strict=True).episodes.rows.tolist() == [5]


def begin(writer: EpisodeWriter) -> None:
    with writer.episode(task="pick"):
        pytest.fail("it began")


def test_closing_again_does_nothing(tmp_path: Path) -> None:
    with EpisodeWriter(tmp_path / "a", fps=10) as writer:
        add(writer)
        writer.close()
        before = content(tmp_path / "a")
        writer.close()
    writer.close(finish=False)
    assert content(tmp_path / "a") == before
    assert len(writer) == 1


def test_left_as_it_is_another_writer_goes_on(tmp_path: Path) -> None:
    with EpisodeWriter(tmp_path / "a", fps=10) as writer:
        add(writer)
        writer.close(finish=False)
    with pytest.raises(SchemaError, match=r"got one that was closed; EpisodeWriter\(path, resume=True\) goes on"):
        add(writer)
    with EpisodeWriter(tmp_path / "a", resume=True) as again:
        assert add(again) == 1
        with pytest.raises(StorageError, match=r"another|a recorder is writing to now.*\[in-use\]"):
            writer.close()
    assert read_set(tmp_path / "a", strict=True).episodes.rows.tolist() == [5, 5]


def test_what_could_not_be_finished_is_finished_by_closing_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lapsdata.storage import atomic

    writer = EpisodeWriter(tmp_path / "a", fps=10)
    add(writer)
    with monkeypatch.context() as patch:
        patch.setattr(atomic, "flush", Full(0, atomic.flush))
        with pytest.raises(StorageError, match="no space left on the device"):
            writer.close()
    writer.close()
    assert read_set(tmp_path / "a", strict=True).version == "v3.0"


def test_two_writers_of_one_recording_are_refused(tmp_path: Path) -> None:
    """Regression: two gave their episodes the same number, and those of one were lost."""
    writer = EpisodeWriter(tmp_path / "a", fps=10)
    add(writer)
    fix = r"end that one first: leave its `with` block, or writer\.close\(finish=False\)"
    with pytest.raises(StorageError, match=rf"got one that another recorder is writing to now; {fix}"):
        EpisodeWriter(tmp_path / "a", resume=True)
    with pytest.raises(StorageError, match=r"got one that a recorder is writing to now.*\[in-use\]"):
        finish_recording(tmp_path / "a")
    add(writer, 1.0)
    writer.close()
    assert read_set(tmp_path / "a", strict=True).episodes.rows.tolist() == [5, 5]


def test_a_writer_that_nobody_has_any_more_holds_nothing(tmp_path: Path) -> None:
    writer = EpisodeWriter(tmp_path / "a", fps=10)
    add(writer)
    del writer
    with EpisodeWriter(tmp_path / "a", resume=True) as again:
        assert len(again) == 1


def test_what_cannot_be_gone_on_with_is_not_held(tmp_path: Path) -> None:
    writer = EpisodeWriter(tmp_path / "a", fps=10)
    add(writer)
    writer.close(finish=False)
    for _ in range(2):
        with pytest.raises(SchemaError, match="expected 10 rows per second, as was recorded, got 20") as kept:
            EpisodeWriter(tmp_path / "a", fps=20, resume=True)
        assert kept.value.problems[0].code == "other-rate"


_OTHER = """
import sys
from lapsdata.adapters.lerobot.recorder import EpisodeWriter
EpisodeWriter(sys.argv[1], resume=True)
"""


def test_another_process_is_kept_out_and_none_is_made_where_nothing_is(tmp_path: Path) -> None:
    writer = EpisodeWriter(tmp_path / "a", fps=10)
    add(writer)
    done = subprocess.run([sys.executable, "-c", _OTHER, str(tmp_path / "a")], capture_output=True, text=True)
    assert done.returncode == 1
    assert "[in-use]" in done.stderr
    with pytest.raises(SchemaError, match="while a set is recorded, got none"):
        EpisodeWriter(tmp_path / "b", resume=True)
    assert not (tmp_path / "b").exists()
    assert add(writer) == 1


@pytest.mark.parametrize(
    ("told", "match"),
    [
        ({"to": "gr00t"}, r"to: expected 'lerobot-3\.0', as was recorded, got 'gr00t'; leave it out"),
        ({"robot": "other"}, r"robot: expected 'so100', as was recorded, got 'other'"),
    ],
)
def test_what_was_told_when_it_began_cannot_be_told_otherwise(tmp_path: Path, told: dict[str, str], match: str) -> None:
    """Regression: `to` and `robot` were passed over without a word."""
    writer = EpisodeWriter(tmp_path / "a", fps=10, robot="so100")
    add(writer)
    writer.close(finish=False)
    with pytest.raises(SchemaError, match=match):
        EpisodeWriter(tmp_path / "a", resume=True, **told)  # type: ignore[arg-type]  # words of either
    with EpisodeWriter(tmp_path / "a", resume=True, to="lerobot-3.0", robot="so100") as again:
        assert len(again) == 1

"""`lapsdata evaluate --task NAME`: each task has its own options, and comes from its own file or distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    Lapsdata = Callable[..., subprocess.CompletedProcess[str]]

OURS = '''
from __future__ import annotations
from pathlib import Path
from typing import Annotated
import typer

def lengths(files: list[Path], longest: Annotated[int, typer.Option(help="How long.")] = 3) -> None:
    """Tell lengths."""
    print(longest, *[file.name for file in files])

PLUGIN = lengths
'''


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return a folder with an installed distribution that has a task."""
    site = tmp_path / "site"
    metadata = site / "laps_lengths-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: laps-lengths\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[lapsdata.tasks]\nlengths = laps_lengths:PLUGIN\n")
    (site / "laps_lengths.py").write_text(OURS)
    return site


def test_segments_are_scored_where_no_task_is_named(lapsdata: Lapsdata) -> None:
    help_text = lapsdata("evaluate", "--help").stdout
    assert help_text == lapsdata("evaluate", "--task", "segments", "--help").stdout
    assert "Score segments, beside rows that have seen no video." in help_text
    assert "--task NAME" in help_text
    assert "PRED" in help_text
    assert "TRUTH" in help_text
    assert "--rules" in help_text


@pytest.mark.parametrize(
    "words",
    [
        ("--task", "lengths", "a", "b", "--longest", "5"),
        ("a", "--task=lengths", "--longest", "5", "b"),
        ("--task", "segments", "--task", "lengths", "--longest=5", "--", "a", "b"),
    ],
)
def test_a_task_is_named_anywhere(words: tuple[str, ...], lapsdata: Lapsdata, site: Path) -> None:
    done = lapsdata("evaluate", *words, PYTHONPATH=str(site))
    assert (done.returncode, done.stdout, done.stderr) == (0, "5 a b\n", "")


def test_words_behind_two_dashes_name_no_task(lapsdata: Lapsdata, site: Path) -> None:
    done = lapsdata("evaluate", "--task", "lengths", "--", "--task", "segments", PYTHONPATH=str(site))
    assert (done.returncode, done.stdout) == (0, "3 --task segments\n")


def test_the_help_of_a_task_is_its_own_and_names_all_tasks(lapsdata: Lapsdata, site: Path) -> None:
    help_text = lapsdata("evaluate", "--help", "--task", "lengths", PYTHONPATH=str(site)).stdout
    assert "Tell lengths." in help_text
    assert "--longest" in help_text
    assert "--truth" not in help_text
    assert "lengths," in help_text


def test_a_task_that_is_none_is_told(lapsdata: Lapsdata) -> None:
    done = lapsdata("evaluate", "--task", "segment")
    assert done.returncode == 1
    assert done.stderr.startswith("error: lapsdata.tasks: expected one of ")
    assert "got 'segment'" in done.stderr
    done = lapsdata("evaluate", "--task")
    assert done.returncode == 2
    assert "requires an argument" in done.stderr

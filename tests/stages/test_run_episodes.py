"""From the episodes of a robot to labels of their rows: each label is the codes of the window that begins there."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import lapsdata
from lapsdata import formats
from lapsdata.containers import Tokens
from lapsdata.errors import LapsError, SchemaError, StorageError
from lapsdata.schema.recipe import Recipe
from lapsdata.stages._episode_videos import cut_episodes
from lapsdata.stages.recipe import resolve, with_settings
from lapsdata.testing import episode_sets
from lapsdata.testing.episode_sets import CAMERA, write_lerobot
from lapsdata.testing.samples import sample_tokens
from lapsmodels.stages import run_episodes as run_module
from lapsmodels.stages.run_episodes import COLUMN, LabelExport, run_episodes

if TYPE_CHECKING:
    from pathlib import Path

    from lapsmodels.stages.run_steps import Pipeline

pytestmark = [
    pytest.mark.usefixtures("one_process", "undrawn"),
    # Of the set whose rows begin at one period: `frames_of_rows` tells it, and its tests hold that.
    pytest.mark.filterwarnings("ignore:.*time-offset"),
]

LENGTHS = (10, 8, 9)
HORIZON = 4
QUICK = (
    "track.points=16", f"track.horizon={HORIZON}", "track.stride=1", "train.steps=2", "train.batch=4",
    "train.save_every=2", "train.threads=1", "threshold.kind=otsu",
)  # fmt: skip
SETS = {"v2.0": 0.1, "v2.1": 0.0, "v3.0": 0.0}


def moving_frame(episode: int, row: int) -> np.ndarray[Any, Any]:
    """Return a smooth pattern that moves to the right, each episode at its own speed."""
    y, x = np.mgrid[0:48, 0:64]
    wave = np.sin((x - (1.5 + episode) * row) / 4) * np.cos((y + row * episode) / 5)
    return np.repeat((128 + 90 * wave).astype(np.uint8)[..., None], 3, axis=2)


@pytest.fixture(scope="module", params=SETS)
def root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(episode_sets, "drawn_frame", moving_frame)
        folder = tmp_path_factory.mktemp("sets") / "cups"
        return write_lerobot(folder, version=request.param, lengths=LENGTHS, videos=True, start_s=SETS[request.param])


@pytest.fixture(scope="module")
def work(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that all runs on a set share: the second finds what the first has made."""
    return tmp_path_factory.mktemp("work")


def ran(root: Path, work: Path, *settings: str, target: str = "copy", hold: bool = False) -> Pipeline:
    recipe = resolve(with_settings(Recipe(), [*QUICK, *settings]))
    return run_episodes(root, CAMERA, work / "out", recipe, export=LabelExport(work / target, hold))


def labels(root: Path) -> list[list[int] | None]:
    files = sorted((root / "data").rglob("*.parquet"))
    return [value for file in files for value in pq.read_table(file).column(COLUMN).to_pylist()]


def digests(root: Path) -> dict[str, str]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def expected(work: Path, *, hold: bool) -> list[list[int] | None]:
    """Return the labels by plain indexing of the tokens of each episode."""
    found: list[list[int] | None] = []
    for episode, rows in enumerate(LENGTHS):
        tokens = formats.read(work / f"out/tokens/cups_episode_{episode:06d}.zarr", Tokens)
        assert tokens.start_index.tolist() == list(range(rows - HORIZON + 1))
        ending = tokens.codes[-1].tolist() if hold else None
        found += [*tokens.codes.tolist(), *[ending] * (HORIZON - 1)]
    return found


def test_the_label_of_a_row_is_the_window_that_begins_there(root: Path, work: Path) -> None:
    before = digests(root)
    pipeline = ran(root, work)
    assert digests(root) == before
    wanted = expected(work, hold=False)
    assert labels(work / "copy") == wanted
    assert len({tuple(value) for value in wanted if value}) > 1
    assert pipeline.done[-1].what.startswith(f"{27 - 3 * (HORIZON - 1)} of 27 rows have a label;")
    entry = json.loads((work / "copy/meta/info.json").read_text())["features"][COLUMN]
    tokens = formats.read(work / "out/tokens/cups_episode_000000.zarr", Tokens).header
    assert (entry["dtype"], entry["shape"], entry["names"]) == ("int64", [3], ["step_0", "step_1", "step_2"])
    assert entry["info"]["codes"] == tokens.tokenizer.codes
    assert entry["info"]["tokenizer"] == tokens.tokenizer.checkpoint is not None
    assert (entry["info"]["hold"], entry["info"]["horizon"], entry["info"]["camera"]) == (False, HORIZON, CAMERA)


def test_the_copy_is_loaded_with_what_is_missing_said(root: Path, work: Path) -> None:
    ran(root, work)
    steps = lapsdata.open_steps(work / "copy")
    batch = steps.gather(range(len(steps)), fields=[COLUMN, f"{COLUMN}_is_null", "observation.state"])
    plain = labels(work / "copy")
    assert batch[f"{COLUMN}_is_null"].tolist() == [value is None for value in plain]
    assert batch[COLUMN].tolist() == [value or [0] * 3 for value in plain]
    before = lapsdata.open_steps(root).gather(range(len(steps)), fields=["observation.state"])
    assert np.array_equal(batch["observation.state"], before["observation.state"])


def test_the_last_label_is_held_where_that_is_asked_for(root: Path, work: Path) -> None:
    pipeline = ran(root, work, target="held", hold=True)
    assert labels(work / "held") == expected(work, hold=True)
    assert f"{3 * (HORIZON - 1)} of them held over the end" in pipeline.done[-1].what
    assert json.loads((work / "held/meta/info.json").read_text())["features"][COLUMN]["info"]["hold"] is True


def test_the_same_labels_are_kept_and_others_are_no_reason_to_replace_them(root: Path, work: Path) -> None:
    ran(root, work)
    before = digests(work / "copy")
    again = ran(root, work)
    assert {one.fate for one in again.done if one.stage not in {"track", "encode", "episodes"}} == {"kept"}
    with pytest.raises(
        StorageError, match=r"copy: expected a free name, got an existing one; name another folder, or remove that one"
    ):
        ran(root, work, hold=True)
    assert digests(work / "copy") == before


def test_an_episode_that_fails_leaves_its_rows_without_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(episode_sets, "drawn_frame", moving_frame)
    root = write_lerobot(tmp_path / "cups", lengths=(7, 2, 6), videos=True)
    (root / f"videos/chunk-000/{CAMERA}/episode_000002.mp4").write_bytes(b"no video")
    pipeline = ran(root, tmp_path)
    found = labels(tmp_path / "copy")
    assert [value is None for value in found] == [False] * 4 + [True] * (3 + 2 + 6)
    codes = [problem.code for problem in pipeline.problems]
    assert "too-short" in codes
    [absent] = [problem for problem in pipeline.problems if problem.code == "episodes-without-labels"]
    assert absent.message == "2 episodes have no tokens, and their rows no label: 1-2"


def test_labels_are_made_where_energies_cannot_be_segmented(tmp_path: Path) -> None:
    # Frames without a pattern: nothing moves, and all energies are the same.
    root = write_lerobot(tmp_path / "cups", lengths=(6,), videos=True)
    with pytest.raises(LapsError, match=r"energ"):
        ran(root, tmp_path)
    assert [value is None for value in labels(tmp_path / "copy")] == [False] * 3 + [True] * 3


def test_tokens_of_another_video_label_nothing(root: Path, work: Path) -> None:
    pipeline = ran(root, work)
    steps = lapsdata.open_steps(root)
    first, second = cut_episodes(steps, CAMERA, work / "out/videos").videos[:2]
    steps.close()
    path = work / "out/tokens/cups_episode_000000.zarr"
    assert run_module._tokens(path, first, pipeline) is not None
    assert run_module._tokens(path, second, pipeline) is None
    assert run_module._tokens(path.with_name("nothing.zarr"), first, pipeline) is None
    assert not [problem for problem in pipeline.problems if problem.severity == "error"]


def test_tokens_of_two_tokenizers_are_no_labels(tmp_path: Path) -> None:
    header = sample_tokens().header
    tokenizer = header.tokenizer.model_copy(update={"checkpoint": "sha256:" + "1" * 64})
    other = header.model_copy(update={"tokenizer": tokenizer})
    export = LabelExport(tmp_path / "copy")
    with pytest.raises(SchemaError, match=r"expected tokens of one tokenizer, got those of 2.* \[unlike-tokens\]"):
        run_module._entry(CAMERA, {}, [header, other], tmp_path / "tokens", export)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        (["track.stride=2"], r"expected a window for each row, .* got track.stride=2 .* \[not-each-row\]"),
        (
            ["track.stride=1", "track.rate=5"],
            r"stride=1 and track.rate=5; set track.stride=1 and track.rate=null",
        ),
        (["train.kind=none"], r"expected codes to export, got a run without a tokenizer"),
    ],
)
def test_recipes_that_give_no_label_to_each_row_are_refused_at_once(
    settings: list[str], match: str, tmp_path: Path
) -> None:
    root = write_lerobot(tmp_path / "cups", lengths=(4,), videos=True)
    recipe = resolve(with_settings(Recipe(), settings))
    with pytest.raises(SchemaError, match=match):
        run_episodes(root, CAMERA, tmp_path / "out", recipe, export=LabelExport(tmp_path / "copy"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cups"]


def test_a_copy_is_never_made_in_place(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "cups", lengths=(4,), videos=True)
    with pytest.raises(LapsError, match=r"expected a folder beside the data set.* \[inside-source\]"):
        ran(root, root, target="copy")
    with pytest.raises(SchemaError, match=r"expected a camera whose frames are in videos .* got front"):
        run_episodes(root, "front", tmp_path / "out", resolve(Recipe()))

"""Files of energies made one by the verb: kept, remade, on train scales, and never over an input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata import formats
from lapsdata.containers import Energies
from lapsdata.errors import SchemaError
from lapsdata.segmenters import smooth
from lapsdata.stages.fuse import fuse_files
from lapsdata.testing.samples import sample_energies
from lapsdata.transforms.fusion import FuseOptions, fuse_energies

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    for split, seed in (("train", 0), ("test", 1)):
        raw = sample_energies(steps=30, seed=seed)
        formats.write(tmp_path / f"{split}_short.jsonl", raw)
        formats.write(tmp_path / f"{split}_long.jsonl", smooth(raw, "moving_average", 0.5))
    return [tmp_path / "train_short.jsonl", tmp_path / "train_long.jsonl"]


def of_test(files: list[Path]) -> list[Path]:
    return [path.with_name(path.name.replace("train", "test")) for path in files]


def test_a_file_says_what_the_container_says(files: list[Path], tmp_path: Path) -> None:
    output = fuse_files(files, tmp_path / "f.jsonl")
    expected = fuse_energies([formats.read(path, Energies) for path in files])
    np.testing.assert_array_equal(formats.read(tmp_path / "f.jsonl", Energies).energy, expected.energy)
    header = output.content.header
    assert [(one.role, one.name) for one in header.provenance.parents] == [("energies", path.name) for path in files]
    assert fuse_files(files, tmp_path / "f.jsonl").fate == "kept"
    assert fuse_files(files, tmp_path / "f.jsonl", FuseOptions(how="zmean")).fate == "changed"
    assert fuse_files(files[::-1], tmp_path / "f.jsonl", FuseOptions(how="zmean")).fate == "changed"


def test_train_scales_are_taken_and_named(files: list[Path], tmp_path: Path) -> None:
    train = fuse_files(files, tmp_path / "train.jsonl").content
    own = fuse_files(of_test(files), tmp_path / "own.jsonl").content
    like = fuse_files(of_test(files), tmp_path / "like.jsonl", like=tmp_path / "train.jsonl").content
    scales = [one.header.provenance.parameters["scales"] for one in (train, own, like)]
    assert scales[2] == scales[0] != scales[1]
    assert like.header.provenance.parents[-1].role == "like"
    assert (like.header.mode, like.header.source) == (train.header.mode, train.header.source)
    assert fuse_files(of_test(files), tmp_path / "like.jsonl", like=tmp_path / "train.jsonl").fate == "kept"


def test_fault_train_scales_are_not_written_over_by_what_takes_them(files: list[Path], tmp_path: Path) -> None:
    """Energies of a test split took the place of the file that their scales came from."""
    fuse_files(files, tmp_path / "train.jsonl")
    before = (tmp_path / "train.jsonl").read_bytes()
    for force in (False, True):
        with pytest.raises(SchemaError, match=r"train\.jsonl: expected a file of its own .*\[own-input\]"):
            fuse_files(of_test(files), tmp_path / "train.jsonl", like=tmp_path / "." / "train.jsonl", force=force)
    assert (tmp_path / "train.jsonl").read_bytes() == before


def test_no_input_is_written_over(files: list[Path]) -> None:
    with pytest.raises(SchemaError, match=r"expected a file of its own .* got one that it is made of.*\[own-input\]"):
        fuse_files(files, files[0].parent / "." / files[0].name)


def test_a_file_fused_in_another_way_has_no_scales_for_this(files: list[Path], tmp_path: Path) -> None:
    fuse_files(files, tmp_path / "train.jsonl", FuseOptions(how="zmean"))
    with pytest.raises(SchemaError, match=r"expected energies fused by zlogmean, got some fused by zmean"):
        fuse_files(of_test(files), tmp_path / "f.jsonl", like=tmp_path / "train.jsonl")


def test_the_verb(files: list[Path], inside: Callable[..., Any]) -> None:
    names = [path.name for path in files]
    done = inside("energies", *names, "--fuse", "zlogmean", "--out", "train.jsonl")
    assert done.returncode == 0, done.stderr
    assert "fused zlogmean of velocity velocity_step 0.2 s, " in done.stdout
    tests = [path.name for path in of_test(files)]
    words = ("--fuse", "zlogmean", "--fuse-like", "train.jsonl", "--fuse-times", "interpolate", "--out", "test.jsonl")
    assert inside("energies", *tests, *words).returncode == 0
    found = inside("segment", "test.jsonl", "--out", "s.parquet", "--threshold", "otsu")
    assert found.returncode == 0, found.stderr


WRONG: dict[str, tuple[tuple[str, ...], str]] = {
    "another way": (("--fuse", "mean"), "--fuse: expected 'zmean' or 'zlogmean', got 'mean'"),
    "another policy": (
        ("--fuse", "zmean", "--fuse-times", "nearest"),
        "--fuse-times: expected 'equal' or 'interpolate'",
    ),
    "a mode": (("--fuse", "zmean", "--mode", "velocity_step"), "not beside --fuse"),
    "a smoothing": (("--fuse", "zmean", "--smooth", "ema:1"), "not beside --fuse"),
    "times alone": (("--fuse-times", "equal"), "goes with --fuse"),
    "scales alone": (("--fuse-like", "train.jsonl"), "goes with --fuse"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_words_are_refused(case: str, files: list[Path], inside: Callable[..., Any]) -> None:
    words, message = WRONG[case]
    done = inside("energies", *(path.name for path in files), "--out", "f.jsonl", *words)
    assert done.returncode != 0
    assert message in " ".join(done.stderr.split())

"""Done before, changed, of another source, killed: what is kept, made again, or left alone."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

import lapsdata
from lapsdata import _convert
from lapsdata._convert import convert
from lapsdata.schema import SourceVideo
from lapsdata.testing.samples import sample_tracks

if TYPE_CHECKING:
    from pathlib import Path

FILES = 4


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "tracks"
    place.mkdir()
    for number in range(FILES):
        clip = sample_tracks(windows=60, points=50, seed=number, video=SourceVideo(name=f"clip_{number}"))
        lapsdata.write(place / f"clip_{number}.h5", clip)
    return place


def content(place: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(place)): path.read_bytes()
        for path in sorted(place.rglob("*"))
        if path.is_file() and path.name != "run.json"
    }


@pytest.mark.parametrize("target", ["out.shards", "out"])
def test_what_is_done_is_kept_until_something_changes(target: str, folder: Path, tmp_path: Path) -> None:
    out, to, count = tmp_path / target, None if target.endswith(".shards") else "zarr", 1 if "." in target else FILES
    assert convert(folder, out, to=to).counts["made"] == count
    before = content(out)
    again = convert(folder, out, to=to)
    assert (again.counts["kept"], again.made, content(out)) == (count, (), before)
    assert again.facts["kept"] == f"{count}, not read again: lapsdata check {out} verifies them"
    assert convert(folder, out, to=to, force=True).counts["forced"] == count
    assert content(out) == before
    lapsdata.write(folder / "clip_0.h5", sample_tracks(points=50, seed=9), overwrite=True)
    assert convert(folder, out, to=to).counts["changed"] == 1


def test_other_options_and_other_code_make_it_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = (folder / "clip_0.h5", tmp_path / "clip.zarr")
    convert(*one)
    assert convert(*one, profile="compact").counts["changed"] == 1
    assert convert(*one, profile="compact").counts["kept"] == 1
    monkeypatch.setattr(_convert._keys, "code_digest", lambda: "sha256:" + 64 * "1")
    assert convert(*one, profile="compact").counts["changed"] == 1


def test_a_damaged_output_is_made_again(folder: Path, tmp_path: Path) -> None:
    convert(folder / "clip_0.h5", tmp_path / "clip.zarr")
    whole = content(tmp_path / "clip.zarr")
    (tmp_path / "clip.zarr" / "zarr.json").write_bytes(whole["zarr.json"].replace(b'"horizon":', b'"horizom":'))
    (tmp_path / "clip.zarr" / "zarr.json").write_bytes(whole["zarr.json"].replace(b"4", b"5", 1))
    assert convert(folder / "clip_0.h5", tmp_path / "clip.zarr").counts["damaged"] == 1
    assert content(tmp_path / "clip.zarr") == whole


def test_what_others_have_made_is_never_replaced(folder: Path, tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "clip.zarr", sample_tracks(seed=5))
    (tmp_path / "mine.h5").write_text("mine")
    for name in ("clip.zarr", "mine.h5"):
        before = (tmp_path / name).read_bytes() if name == "mine.h5" else content(tmp_path / name)
        report = convert(folder / "clip_0.h5", tmp_path / name, force=True)
        assert [problem.code for problem in report.problems] == ["foreign-output"]
        assert before == ((tmp_path / name).read_bytes() if name == "mine.h5" else content(tmp_path / name))


def test_the_conversion_of_another_source_is_replaced_only_by_force(folder: Path, tmp_path: Path) -> None:
    convert(folder / "clip_0.h5", tmp_path / "clip.zarr")
    before = content(tmp_path / "clip.zarr")
    report = convert(folder / "clip_1.h5", tmp_path / "clip.zarr")
    assert [problem.code for problem in report.problems] == ["foreign-output"]
    assert "it was converted from clip_0.h5; --force replaces it" in report.problems[0].message
    assert content(tmp_path / "clip.zarr") == before
    assert convert(folder / "clip_1.h5", tmp_path / "clip.zarr", force=True).counts["changed"] == 1
    assert content(tmp_path / "clip.zarr") != before


CONVERT = "import sys; from lapsdata.cli.main import main; main()"


def started(*words: str | Path) -> subprocess.Popen[bytes]:
    silent = subprocess.DEVNULL
    return subprocess.Popen([sys.executable, "-c", CONVERT, *words], stdout=silent, stderr=silent)


@pytest.mark.parametrize("words", [["out", "--to", "zarr"], ["all.shards"]], ids=["folder", "shards"])
def test_a_killed_conversion_goes_on_to_the_same_bytes(words: list[str], folder: Path, tmp_path: Path) -> None:
    whole, out = tmp_path / f"whole-{words[0]}", tmp_path / words[0]
    convert(folder, whole, to="shards" if whole.suffix else "zarr")
    moments = random.Random(words[0])
    for _ in range(2):
        process = started("convert", folder, out, *words[1:], "--workers", "1")
        until = time.monotonic() + moments.uniform(0.8, 2.5)
        while time.monotonic() < until and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        done = list(tmp_path.glob(f"{words[0]}/clip_*.zarr"))
        # Whatever has its name is whole.
        assert all(len(lapsdata.read(path)) == 60 for path in done)
    report = convert(folder, out, to="shards" if out.suffix else "zarr")
    assert report.exit_code == 0
    found = {name: data for name, data in content(out).items() if not name.startswith(".lapsdata-tmp-")}
    assert found == content(whole)


@pytest.mark.parametrize("target", ["clip.zarr", "clip.h5", "clip.shards"])
def test_what_another_run_has_made_meanwhile_is_kept(
    target: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other_first(job: Any, tell: Any) -> Any:
        monkeypatch.undo()
        assert convert(folder / "clip_0.h5", tmp_path / target).counts["made"] == 1
        return _convert._writing.convert_item(job, tell)

    monkeypatch.setattr(_convert, "convert_item", other_first)
    report = convert(folder / "clip_0.h5", tmp_path / target)
    assert (report.counts["kept"], report.problems, report.made) == (1, (), ())
    assert report.entries[0].why == "another run has made it meanwhile"


def test_what_has_the_name_meanwhile_and_is_another_is_told_in_words_of_the_command(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other_first(job: Any, tell: Any) -> Any:
        monkeypatch.undo()
        assert convert(folder / "clip_1.h5", tmp_path / "clip.h5").counts["made"] == 1
        return _convert._writing.convert_item(job, tell)

    monkeypatch.setattr(_convert, "convert_item", other_first)
    (problem,) = convert(folder / "clip_0.h5", tmp_path / "clip.h5").problems
    assert problem.code == "exists"
    assert "another run has written there meanwhile (it was converted from clip_1.h5" in problem.message
    assert "--force" in str(problem.fix)
    assert "overwrite" not in str(problem)


def test_leftovers_name_the_command_that_removes_them(folder: Path, tmp_path: Path) -> None:
    (tmp_path / ".lapsdata-tmp-0123456789abcdef.zarr").mkdir()
    (told,) = convert(folder / "clip_0.h5", tmp_path / "clip.zarr").problems
    assert f"lapsdata repair {tmp_path} --clean" in str(told.fix)


def test_a_full_disk_is_named_and_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    # Loops are compiled, and kept on disk, before there is a limit.
    convert(folder / "clip_0.h5", tmp_path / "before.zarr")
    # A limit to the size of files is refused as a full disk is: 40 blocks of 1 KiB.
    words = ["bash", "-c", 'ulimit -f 40; exec "$0" "$@"', sys.executable, "-c", CONVERT]
    for target, to in (("out", "hdf5"), ("all.shards", "shards")):
        arguments: list[str | Path] = ["convert", folder, tmp_path / target, "--to", to, "--profile", "raw"]
        done = subprocess.run([*words, *arguments, "--workers", "1"], capture_output=True, text=True, check=False)
        assert done.returncode == 1, done.stderr
        assert "[disk-full]" in done.stderr
        assert not list(tmp_path.glob(f"{target}/*.h5"))
        assert not list(tmp_path.rglob(".lapsdata-tmp-*"))


def test_ctrl_c_ends_with_130_and_says_how_to_go_on(folder: Path, tmp_path: Path) -> None:
    for number in range(FILES):
        long = sample_tracks(windows=1500, points=50, seed=number, video=SourceVideo(name=f"clip_{number}"))
        lapsdata.write(folder / f"clip_{number}.h5", long, overwrite=True)
    words: list[str | Path] = ["convert", folder, tmp_path / "out", "--to", "zarr", "--workers", "1"]
    process = subprocess.Popen([sys.executable, "-c", CONVERT, *words], stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while time.monotonic() < until and not list(tmp_path.glob("out/.lapsdata-tmp-*.zarr")):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "run it again: what is done is kept" in told
    assert list(tmp_path.glob("out/.lapsdata-tmp-*")) == []


def archives(place: Path) -> list[Path]:
    """Return the archives that a conversion to shards has written down as whole."""
    return sorted(place.glob(".lapsdata-tmp-*/part-*.parquet"))


def run_until_archives(count: int, signal_number: int, folder: Path, out: Path) -> str:
    process = subprocess.Popen(
        [sys.executable, "-c", CONVERT, "convert", folder, out, "--samples-per-shard", "20", "--workers", "1"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None and len(archives(out.parent)) < count:
        time.sleep(0.001)
    process.send_signal(signal_number)
    return process.communicate(timeout=60)[1]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["killed", "ctrl-c"])
def test_shards_go_on_behind_the_last_whole_archive(
    number: signal.Signals, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for clip in range(FILES):
        long = sample_tracks(windows=300, points=200, seed=clip, video=SourceVideo(name=f"clip_{clip}"))
        lapsdata.write(folder / f"clip_{clip}.h5", long, overwrite=True)
    convert(folder, tmp_path / "whole.shards", samples_per_shard=20)
    out = tmp_path / "out" / "all.shards"
    out.parent.mkdir()
    told = run_until_archives(3, number, folder, out)
    assert not out.exists()
    there = len(archives(out.parent))
    assert there >= 3
    if number == signal.SIGINT:
        assert "shards go on behind their last whole archive" in told
    report = convert(folder, out, samples_per_shard=20)
    message = f"{20 * there:,} of 1,200 windows, in {there} whole archives"
    assert [problem.message[: len(message)] for problem in report.problems] == [message]
    assert (report.exit_code, report.facts["windows"]) == (0, "1,200")
    assert content(out) == content(tmp_path / "whole.shards")
    assert [item.name for item in out.parent.iterdir()] == ["all.shards"]


def test_shards_of_another_source_do_not_go_on(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "all.shards"
    out.parent.mkdir()
    run_until_archives(2, signal.SIGKILL, folder, out)
    lapsdata.write(folder / "clip_0.h5", sample_tracks(windows=60, points=50, seed=9), overwrite=True)
    report = convert(folder, out, samples_per_shard=20)
    assert (report.exit_code, report.problems) == (0, ())
    convert(folder, tmp_path / "whole.shards", samples_per_shard=20)
    assert content(out) == content(tmp_path / "whole.shards")

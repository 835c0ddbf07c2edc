"""Bad input as users meet it: named with what was expected, the others done, nothing unfinished, nothing lost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import h5py
import numpy as np
import pytest

import lapsdata
from lapsdata import Tracks
from lapsdata.errors import shown
from lapsdata.testing.samples import sample_tracks
from lapsdata.video.writer import write_video
from lapsmodels.stages import track_many

if TYPE_CHECKING:
    from collections.abc import Callable

    from lapsmodels.stages.track_report import Tracked

    Verb = Callable[..., Any]

# What each bad input is told to be, and what to do about it.
TOLD = {
    "audio": ("audio.mp4: expected a video stream, got audio; check the file", "no-video-stream"),
    "cut": ("cut.mp4: expected ", "cut-off"),
    "damaged": ("damaged.mp4: frame ", "undecodable-frame"),
    "five": (
        "five.mp4: expected at least one window of 16 frames, got 5 frames; "
        "use --horizon 5 or less: windows are never padded",
        "too-short",
    ),
    "fifo": (
        "fifo.mp4: expected a file or folder, got a pipe, socket or device; write it to a file first",
        "wrong-kind",
    ),
    "gone": ("gone.mp4: cannot open: no such file or folder; check the path", "not-found"),
    "text": (
        "text.mp4: expected a video, got text that begins with 'no video at all\\n'; check the file",
        "not-a-video",
    ),
    "zero": ("zero.mp4: expected a video, got 0 bytes; copy or download it again", "empty-file"),
}


def write_audio(path: Path) -> None:
    with av.open(str(path), "w") as output:
        stream = output.add_stream("aac", rate=16_000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 16_000
        output.mux([*stream.encode(sound), *stream.encode(None)])


def damage(source: Path, target: Path) -> None:
    """Copy a video, with the bytes of the frame at 2 seconds replaced."""
    with av.open(str(source)) as video:
        late = next(packet for packet in video.demux(video=0) if packet.pts * packet.time_base == 2)
    content = bytearray(source.read_bytes())
    content[late.pos + 8 : late.pos + late.size] = b"\xff" * (late.size - 8)
    target.write_bytes(content)


@pytest.fixture(scope="module")
def bad(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with one video that is well and every kind that is not."""
    folder = tmp_path_factory.mktemp("bad")
    shutil.copy(clip, folder / "good.mp4")
    (folder / "zero.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("no video at all\n")
    (folder / "cut.mp4").write_bytes(clip.read_bytes()[:-200])
    (folder / "gone.mp4").symlink_to(folder / "moved-away.mp4")
    damage(clip, folder / "damaged.mp4")
    write_audio(folder / "audio.mp4")
    pictures = np.random.default_rng(0).integers(0, 256, (5, 64, 96, 3), dtype=np.uint8)
    write_video(folder / "five.mp4", pictures, np.arange(5) / 10)
    os.mkfifo(folder / "fifo.mp4")
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_each_is_named_and_the_good_one_is_done(track: Verb, bad: Path, tmp_path: Path) -> None:
    before = content(bad)
    done = track(bad, "--out", "out", "--points", 24)
    assert (done.code, done.fates) == (1, "items 9, made 1, failed 8")
    told = {line.split(": ")[1]: line for line in done.err.splitlines() if line.startswith("error: ")}
    assert list(told) == sorted(TOLD)
    for name, (words, problem) in TOLD.items():
        assert words in told[name], told[name]
        assert told[name].endswith(f" [{problem}]")
    assert "frame 20 at 2.000000 s: cannot be decoded" in told["damaged"]
    assert "Traceback" not in done.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["good.h5", "run.json"]
    assert len(lapsdata.read(tmp_path / "out" / "good.h5", Tracks, verify="always")) == 3
    assert content(bad) == before


def test_as_json_each_is_an_item_with_its_problem(track_here: Verb, bad: Path, tmp_path: Path) -> None:
    code, out, _ = track_here(bad, "--out", "out", "--points", 24, "--json")
    assert code == 1
    document = json.loads(out)
    assert document["counts"] == dict.fromkeys(document["counts"], 0) | {"made": 1, "failed": 8}
    failed = {item["name"]: item for item in document["items"] if item["fate"] == "failed"}
    assert {name: item["problems"][0]["code"] for name, item in failed.items()} == {
        name: problem for name, (_, problem) in TOLD.items()
    }
    assert len(document["problems"]) == 8


def test_where_in_the_code_it_failed_is_told_on_request(
    track_here: Verb, bad: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Traceback" not in track_here(bad / "damaged.mp4", "--out", "out").err
    monkeypatch.setenv("LAPSDATA_TRACEBACK", "1")
    code, _, err = track_here(bad / "damaged.mp4", "--out", "out")
    assert code == 1
    assert "Traceback (most recent call last):" in err
    assert "in track_video" in err


def test_a_video_that_went_bad_costs_neither_its_old_tracks_nor_the_exit_code(
    track_here: Verb, clip: Path, tmp_path: Path, quick: tuple[str, ...]
) -> None:
    (tmp_path / "videos").mkdir()
    shutil.copy(clip, tmp_path / "videos" / "clip.mp4")
    assert track_here("videos", "--out", "out", *quick).code == 0
    tracks = (tmp_path / "out" / "clip.h5").read_bytes()
    for spoil in (lambda path: path.write_bytes(b""), lambda path: damage(clip, path)):
        spoil(tmp_path / "videos" / "clip.mp4")
        assert track_here("videos", "--out", "out", *quick).code == 1
        assert (tmp_path / "out" / "clip.h5").read_bytes() == tracks
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["clip.h5", "run.json"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["empty"], "empty: expected videos, found none; check the path, or search the folders below it too"),
        (["empty", "--recursive"], "empty: expected videos, found none; check the path [no-videos]"),
        (["empty/*.mp4"], "empty/*.mp4: expected videos, found none; check the path [no-videos]"),
        (["nothing.mp4"], "nothing.mp4: cannot open: no such file or folder; check the path [not-found]"),
        (["fifo"], "fifo: expected a file or folder, got a pipe, socket or device; write it to a file first"),
        (["-"], "-: expected a file, got the standard input: a video is read more than once; write it to a file first"),
        (["clip.mp4", "--match", "S2_*"], "match 'S2_*': expected videos whose name fits, got none of 1: clip"),
    ],
)
def test_nothing_to_track_is_told_before_any_work(
    track_here: Verb, clip: Path, tmp_path: Path, given: list[str], told: str
) -> None:
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "fifo")
    shutil.copy(clip, tmp_path)
    code, out, err = track_here(*given, "--out", "out")
    assert (code, out) == (1, "")
    assert err.startswith(f"error: {told}")
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_sources_that_give_nothing_fail_while_the_others_finish(
    track_here: Verb, clip: Path, tmp_path: Path, quick: tuple[str, ...]
) -> None:
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "fifo")
    done = track_here(clip, "nothing.mp4", "empty", "none_*.mp4", "fifo", "--out", "out", *quick)
    assert (done.code, done.fates) == (1, "items 5, made 1, failed 4")
    for told in (
        "nothing.mp4: cannot open: no such file or folder; check the path [not-found]",
        "empty: expected videos, found none",
        "none_*.mp4: expected videos, found none",
        "fifo: expected a file or folder, got a pipe",
    ):
        assert f"{told}" in done.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["clip.h5", "run.json"]
    # What is there now is done by the next call, and nothing else.
    shutil.copy(clip, tmp_path / "nothing.mp4")
    again = track_here(clip, "nothing.mp4", "--out", "out", *quick)
    assert (again.code, again.fates) == (0, "items 2, made 1, kept 1")


def test_an_empty_text_is_not_the_current_folder(track_here: Verb, clip: Path, tmp_path: Path) -> None:
    nothing = track_here("", "--out", "out")
    assert nothing.code == 1
    assert "source: expected a path or URL, got an empty text; is a variable unset? [no-path]" in nothing.err
    nowhere = track_here(str(clip), "--out", "")
    assert nowhere.code == 2
    assert "expected a folder, got an empty text" in nowhere.err
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob("*.h5"))


def test_all_wrong_paths_are_told_at_once(track_here: Verb, tmp_path: Path) -> None:
    code, _, err = track_here("one.mp4", "two/*.mp4", "--out", "out")
    assert code == 1
    assert [line.split(": ")[1] for line in err.splitlines()] == ["one.mp4", "two/*.mp4"]
    assert not (tmp_path / "out").exists()


def test_two_videos_of_one_stem_fail_both_and_the_others_are_done(
    track_here: Verb, clip: Path, tmp_path: Path, quick: tuple[str, ...]
) -> None:
    for name in ("a/clip.mp4", "a/clip.mov", "a/other.mp4", "b/clip.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(clip, tmp_path / name)
    told = "error: clip: {}: expected a name of its own, got that of {}: none of them is tracked; rename one"
    for given, one, other, more in (
        (["a"], "a/clip.mov", "a/clip.mp4", " [doubled-name]"),
        (["b", "a/clip.mp4", "a/other.mp4"], "b/clip.mp4", "a/clip.mp4", ", search their common folder with --rec"),
    ):
        done = track_here(*given, "--out", "out", *quick)
        assert (done.code, done.fates) == (1, "items 3, made 1, failed 2")
        assert told.format(one, other) + more in done.err
        assert told.format(other, one) + more in done.err
        assert [path.name for path in (tmp_path / "out").glob("*.h5")] == ["other.h5"]
        shutil.rmtree(tmp_path / "out")
    # Three are named as such, with --json too, and --limit does not choose one of them.
    document = json.loads(track_here("a", "b", "--out", "out", "--limit", 1, "--json", *quick).out)
    assert [(item["name"], item["fate"]) for item in document["items"]] == [("clip", "failed")] * 3
    assert {problem["code"] for problem in document["problems"]} == {"doubled-name"}
    assert document["left_out"] == {"unmatched": 0, "beyond_limit": 1}
    assert not list((tmp_path / "out").glob("*.h5"))
    # The advice holds: below one folder their names differ.
    (tmp_path / "a" / "other.mp4").unlink()
    (tmp_path / "a" / "clip.mov").unlink()
    (tmp_path / "all").mkdir()
    for name in "ab":
        (tmp_path / name).rename(tmp_path / "all" / name)
    assert track_here("all", "--recursive", "--out", "out", *quick).code == 0
    assert sorted(path.name for path in (tmp_path / "out").glob("*.h5")) == ["a__clip.h5", "b__clip.h5"]


def test_the_same_video_named_twice_is_tracked_once(
    track_here: Verb, clip: Path, tmp_path: Path, quick: tuple[str, ...]
) -> None:
    shutil.copy(clip, tmp_path)
    done = track_here("clip.mp4", tmp_path / "clip.mp4", "*.mp4", "--out", "out", *quick)
    assert (done.code, done.fates) == (0, "items 1, made 1")


def test_a_reader_that_leaves_early_does_not_stop_the_work(
    track_command: Callable[..., list[str]], clip: Path, tmp_path: Path, quick: tuple[str, ...]
) -> None:
    """As `lapsdata track ... | head -1`, where head has seen enough before there is anything to see."""
    ours, theirs = os.pipe()
    os.close(ours)
    words = track_command(clip, "--out", tmp_path / "out", *quick)
    done = subprocess.run(words, stdout=theirs, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
    os.close(theirs)
    assert done.returncode == 1
    assert "Broken pipe" not in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["clip.h5", "run.json"]
    assert len(lapsdata.read(tmp_path / "out" / "clip.h5", Tracks, verify="always")) == 5


# Everything is imported, by a first call, while it still may be read.
DENIED = """
import os, sys
from lapsdata.cli.main import main
video, folder = sys.argv[1:]
for out, user in (("open", 0), ("closed", 65534)):
    if user and os.getuid() == 0:
        os.setuid(user)
    sys.argv = ["lapsdata", "track", video, "--out", f"{folder}/{out}", "--points", "24", "--workers", "1"]
    try:
        main()
    except SystemExit as end:
        print(out, end.code, flush=True)
"""


def test_an_output_folder_without_write_permission_is_told_at_once(clip: Path) -> None:
    # Other users can enter this folder, which pytest's own is not for.
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    shutil.copy(clip, folder / "clip.mp4")
    (folder / "closed").mkdir(mode=0o555)
    try:
        command = [sys.executable, "-c", DENIED, str(folder / "clip.mp4"), str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        assert done.stdout.splitlines()[-1] == "closed 1"
        told = done.stderr.splitlines()[-1]
        assert told.startswith(f"error: {folder / 'closed' / 'run.json'}: cannot write: no permission")
        assert told.endswith("[no-permission]")
        assert done.stderr.count("look at videos") == 1
        assert not list((folder / "closed").iterdir())
    finally:
        (folder / "closed").chmod(0o755)
        shutil.rmtree(folder)


@pytest.mark.parametrize("out", ["file", "file/below"])
def test_an_output_folder_that_cannot_be_is_told_at_once(
    track_here: Verb, clip: Path, tmp_path: Path, out: str
) -> None:
    (tmp_path / "file").write_text("mine")
    code, _, err = track_here(clip, "--out", out)
    assert code == 1
    assert err.startswith("error: ")
    assert out in err
    assert (tmp_path / "file").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_others_have_written_is_never_replaced(
    track_here: Verb, clip: Path, tmp_path: Path, quick: tuple[str, ...]
) -> None:
    (tmp_path / "out").mkdir()
    mine = tmp_path / "out" / "clip.h5"
    writers = (
        lambda: mine.write_text("notes of mine"),
        lambda: h5py.File(mine, "w").close(),
        # Tracks, whole and of our format, that this command did not make.
        lambda: lapsdata.write(mine, sample_tracks()),
    )
    for write in writers:
        write()
        before = mine.read_bytes()
        for more in ((), ("--force",)):
            code, _, err = track_here(clip, "--out", "out", *quick, *more)
            assert code == 1
            assert "expected nothing, or an output of this command" in err
            assert "it is left as it is; move it away, or choose another folder [foreign-output]" in err
            assert mine.read_bytes() == before
        mine.unlink()


def test_tracks_that_another_run_writes_meanwhile_are_told_as_such(
    track_here: Verb, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: tuple[str, ...]
) -> None:
    assert track_here(clip, "--out", "first", *quick).code == 0
    plain = track_many.track_video

    def late(video: object, target: Path, *arguments: Any, **named: Any) -> Tracked:
        shutil.copy(tmp_path / "first" / "clip.h5", target)
        return plain(video, target, *arguments, **named)  # type: ignore[arg-type]  # what the stage gives

    monkeypatch.setattr(track_many, "track_video", late)
    done = track_here(clip, "--out", "out", *quick)
    assert (done.code, done.fates) == (1, "items 1, failed 1")
    assert (
        "error: clip: out/clip.h5: expected nothing there, as when this run began, got what another run has written "
        "meanwhile; it is left as it is; wait for the other run to end, then run this again [made-meanwhile]"
    ) in done.err
    assert "overwrite" not in done.err
    assert (tmp_path / "out" / "clip.h5").read_bytes() == (tmp_path / "first" / "clip.h5").read_bytes()


@pytest.mark.parametrize("name", ["two\nlines", "red\x1b[31m", ".hidden"])
def test_a_name_that_no_header_holds_is_told_in_one_line(
    track_here: Verb, clip: Path, tmp_path: Path, name: str, quick: tuple[str, ...]
) -> None:
    shutil.copy(clip, tmp_path / f"{name}.mp4")
    (tmp_path / f"{name}.mov").touch()
    done = track_here(clip, tmp_path / f"{name}.mp4", "--out", "out", *quick)
    assert (done.code, done.fates) == (1, "items 2, made 1, failed 1")
    (line,) = (line for line in done.err.splitlines() if line.startswith("error: "))
    safe = shown(name)
    assert line.startswith(f"error: {safe}: {tmp_path}/{safe}.mp4: expected a name without slashes, control characters")
    assert line.endswith("; rename the video [wrong-value]")
    done = track_here(tmp_path / f"{name}.mov", "--out", "out", *quick)
    (line,) = (line for line in done.err.splitlines() if line.startswith("error: "))
    assert line.startswith(f"error: {safe}: {tmp_path}/{safe}.mov: expected a video, got 0 bytes; copy or download")

"""What is written of one segment, and which windows are taken for it."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lapsdata
from lapsdata.adapters.laps.codes import read_code_files
from lapsdata.adapters.laps.written_codes import CodedWindow, chosen_windows
from lapsdata.containers import Segments, Tokens
from lapsdata.errors import SchemaError, StorageError
from lapsdata.stages._export_names import exports_of
from lapsdata.stages._segment_export import ExportOptions, Windowing, write_segment
from lapsdata.stages._table_export import TableExport
from lapsdata.testing.samples import sample_energies, sample_segments, sample_tokens
from lapsdata.timebase import FrameRate
from lapsdata.video.reader import open_video
from lapsdata.video.writer import write_video

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

FRAME_S = (np.arange(40) / 10).tolist()
WINDOWS = [CodedWindow(k, 4 * k, np.array([k, k + 1], np.int32), np.full((2, 3), k, np.float32)) for k in range(8)]
WINDOWING = Windowing(8, 4, FrameRate(10))


class Shown:
    """Pictures with odd sides, 20 per second from 0 s on."""

    def between(self, start_s: float, end_s: float) -> tuple[NDArray[np.float64], Iterator[NDArray[np.uint8]]]:
        times = np.arange(80) / 20
        times = times[(times >= start_s) & (times < end_s)]
        return times, (np.full((33, 47, 3), 100, np.uint8) for _ in times)


@given(st.integers(0, 30), st.integers(1, 20), st.integers(2, 12), st.integers(1, 6), st.floats(0, 1))
def test_windows_are_taken_by_their_share_inside(
    first: int, length: int, horizon: int, stride: int, share: float
) -> None:
    windows = [CodedWindow(k, k * stride, np.zeros(1, np.int32)) for k in range(12)]
    segment = set(range(first, first + length))
    inside = {one.number: len(segment & set(range(one.start, one.start + horizon))) for one in windows}
    wanted = [number for number, count in inside.items() if count and count / horizon >= share]
    spans = first, first + length, horizon
    every = chosen_windows(reversed(windows), *spans, min_overlap=share, allow_overlap=True)
    assert [one.number for one in every] == wanted
    apart = chosen_windows(windows, *spans, min_overlap=share, allow_overlap=False)
    assert {one.number for one in apart} <= set(wanted)
    assert all(b.start - a.start >= horizon for a, b in itertools.pairwise(apart))
    assert bool(apart) == bool(wanted)


def test_a_segment_is_a_clip_and_its_codes(tmp_path: Path) -> None:
    options = ExportOptions(clips=True, codes=True, prequant=True)
    stem = tmp_path / "clips" / "a.b_0003"
    given = {"video": "a.b", "pictures": Shown(), "windows": WINDOWS, "windowing": WINDOWING, "frame_s": FRAME_S}
    written = write_segment(stem, (0.6, 2.0), options, **given)  # type: ignore[arg-type]
    assert written.counts == {"padded_pictures": 28, "without_windows": 0}
    assert sorted(written.files) == sorted((tmp_path / "clips").iterdir())
    with open_video(tmp_path / "clips" / "a.b_0003.mp4") as clip:
        assert (clip.facts.frames, clip.facts.start_s, str(clip.facts.size)) == (28, 0.0, "48x34")
    told = json.loads((tmp_path / "clips" / "a.b_0003.codes.json").read_text())
    assert told == {
        "video": "a.b",
        "codes_windows": [[0, 1], [2, 3], [4, 5]],
        "selected_win_idxs": [0, 2, 4],
        "overlap_ratio_threshold": 0.25,
        "segment": {"start_frame": 6, "end_frame": 19, "start_win": 2},
        "window": {"T": 8, "stride": 4, "target_fps": 10.0},
        "align": "start",
        "video_segment_path": "a.b_0003.mp4",
        "source": "lapsdata",
        "allow_overlap": False,
    }
    np.testing.assert_array_equal(np.load(tmp_path / "clips" / "a.b_0003.prequant.npy")[:, 0, 0], [0, 2, 4])
    with pytest.raises(StorageError, match=r"a\.b_0003\.mp4"):
        write_segment(stem, (0.6, 2.0), options, **given)  # type: ignore[arg-type]


def test_codes_alone_name_no_clip(tmp_path: Path) -> None:
    options = ExportOptions(codes=True)
    stem = tmp_path / "one"
    windowing = WINDOWING._replace(rate=None)
    place: dict[str, Any] = {"windowing": windowing, "frame_s": FRAME_S}
    written = write_segment(stem, (3.8, 4.0), options, video="a", windows=WINDOWS, **place)
    assert written.counts["without_windows"] == 1
    told = json.loads((tmp_path / "one.codes.json").read_text())
    assert (told["codes_windows"], told["video_segment_path"], told["window"]["target_fps"]) == ([], None, None)
    assert [one.name for one in tmp_path.iterdir()] == ["one.codes.json"]


def found(names: tuple[str, ...] = ("clip_0", "clip_1", "clip_2")) -> Segments:
    """Return sample segments, with other names for their videos."""
    segments = sample_segments()
    videos = tuple(
        one.model_copy(update={"name": name}) for one, name in zip(segments.header.videos, names, strict=False)
    )
    return replace(segments, header=segments.header.model_copy(update={"videos": videos}))


def tokens_of(folder: Path, name: str, *, prequant: bool = False, windows: int = 36) -> Path:
    """Write tokens of one of the videos, 10 frames per second."""
    made = sample_tokens(windows=windows, latent=2)
    video = made.header.video.model_copy(update={"name": name})
    header = made.header.model_copy(update={"video": video})
    lapsdata.write(folder / f"{name}.zarr", replace(made, header=header, prequant=made.quantized if prequant else None))
    return folder / f"{name}.zarr"


def test_all_segments_of_a_table_are_exported(tmp_path: Path) -> None:
    segments = found()
    names = {segments.header.videos[at].name for at in segments.video_index.tolist()}
    tokens = [tokens_of(tmp_path, name, prequant=True) for name in sorted(names)]
    options = ExportOptions(codes=True, allow_overlap=True, min_overlap=0.0, prequant=True)
    done = TableExport(tmp_path / "out", options, tokens=tokens).write(segments)
    assert (done.segments, done.removed, done.problems) == (len(segments), 0, ())
    stems = {one.name.removesuffix(".codes.json") for one in (tmp_path / "out").glob("*.codes.json")}
    wanted = [f"{name}_{number:04d}" for name in names for number in range(len(segments.of_video(name)))]
    assert stems == set(wanted)
    read = lapsdata.read(tokens[0], Tokens)
    told = json.loads((tmp_path / "out" / f"{sorted(names)[0]}_0000.codes.json").read_text())
    assert told["codes_windows"] == [read.codes[number].tolist() for number in told["selected_win_idxs"]]
    assert told["window"]["T"] == read.header.horizon


def test_what_is_exported_reads_back_as_the_segments_that_it_was(tmp_path: Path) -> None:
    segments = found(("one", "segment_two", "three"))
    names = sorted({segments.header.videos[at].name for at in segments.video_index.tolist()})
    tokens = {name: tokens_of(tmp_path, name) for name in names}
    options = ExportOptions(codes=True, allow_overlap=True, min_overlap=0.0)
    TableExport(tmp_path / "out", options, tokens=tokens.values()).write(segments)
    frame_s = lapsdata.read(tokens[names[0]], Tokens).frame_s
    back = read_code_files(tmp_path / "out", rate=1 / float(np.diff(frame_s)[0]))
    assert [problem.code for problem in back.notes if problem.severity == "warning"] == []
    assert [video.name for video in back.segments.header.videos] == names
    for name in names:
        rows, read = segments.of_video(name), back.segments.of_video(name)
        inside = [np.searchsorted(frame_s, (segments.start_s[row], segments.end_s[row])) for row in rows]
        got = [(back.segments.start_s[row], back.segments.end_s[row]) for row in read]
        step_s = float(np.diff(frame_s)[0])
        np.testing.assert_allclose(got, np.array(inside) * step_s, atol=1e-9)
        coded = lapsdata.read(tokens[name], Tokens)
        for row, (first, until) in zip(read, inside, strict=True):
            over = (coded.start_index < until) & (coded.start_index + coded.header.horizon > first)
            assert back.segments.codes is not None
            np.testing.assert_array_equal(back.segments.codes[row], coded.codes[over].reshape(-1))


def test_every_video_without_what_is_asked_for_is_named(tmp_path: Path) -> None:
    segments = found()
    only = tokens_of(tmp_path, segments.header.videos[0].name)
    options = ExportOptions(clips=True, codes=True, prequant=True)
    with pytest.raises(SchemaError, match="expected tokens of this video, got none") as raised:
        TableExport(tmp_path / "out", options, tokens=[only]).write(segments)
    codes = {problem.code for problem in raised.value.problems}
    assert codes == {"no-latents", "no-video", "no-tokens"}
    assert not (tmp_path / "out").exists()


def test_segments_in_which_the_tokens_have_no_frame_are_refused(tmp_path: Path) -> None:
    segments = found()
    tokens = [tokens_of(tmp_path, name, windows=6) for name in ("clip_0", "clip_1")]
    with pytest.raises(SchemaError, match=r"'clip_0' at 1\.500 s: expected frames of its tokens there, got none"):
        TableExport(tmp_path / "out", ExportOptions(codes=True), tokens=tokens).write(segments)
    assert not (tmp_path / "out").exists()


def with_tokenizer(path: Path, digest: str | None) -> Path:
    """Write tokens anew as those of another tokenizer."""
    made = lapsdata.read(path, Tokens)
    tokenizer = made.header.tokenizer.model_copy(update={"checkpoint": digest})
    other = replace(made, header=made.header.model_copy(update={"tokenizer": tokenizer}))
    lapsdata.write(path, other, overwrite=True)
    return path


ONE, OTHER = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"


@pytest.mark.parametrize(("of_energies", "of_tokens", "fits"), [(ONE, ONE, True), (None, ONE, True), (ONE, None, True)])
def test_codes_of_the_tokenizer_that_was_measured_are_taken_and_where_one_is_not_known(
    of_energies: str | None, of_tokens: str | None, fits: bool, tmp_path: Path
) -> None:
    segments = found()
    tokens = [with_tokenizer(tokens_of(tmp_path, name), of_tokens) for name in ("clip_0", "clip_1")]
    export = TableExport(tmp_path / "out", ExportOptions(codes=True), tokens=tokens, tokenizer=of_energies)
    assert (export.write(segments).segments == len(segments)) is fits


def test_codes_of_another_tokenizer_are_refused(tmp_path: Path) -> None:
    """Regression: codes of one tokenizer stood beside segments that were cut by the energies of another."""
    tokens = [with_tokenizer(tokens_of(tmp_path, name), OTHER) for name in ("clip_0", "clip_1")]
    export = TableExport(tmp_path / "out", ExportOptions(codes=True), tokens=tokens, tokenizer=ONE)
    message = "expected codes of the tokenizer sha256:11111111, whose .* got those of sha256:22222222; name the tokens"
    with pytest.raises(SchemaError, match=message) as raised:
        export.write(found())
    assert {problem.code for problem in raised.value.problems} == {"other-tokenizer"}
    assert not (tmp_path / "out").exists()


def test_only_the_names_of_exports_are_exports(tmp_path: Path) -> None:
    ours = {"a.b_0000.mp4", "a.b_00012.codes.json", "a.b_0001.prequant.npy", "c_0000.mp4"}
    others = {"a.b.mp4", "a.b_000.mp4", "a.b_0000.avi", "axb_0000.mp4", "a.b_0000_0001.mp4", "x.a.b_0000.mp4", "notes"}
    for name in ours | others:
        (tmp_path / name).touch()
    (tmp_path / "a.b_0009.mp4").mkdir()
    assert {path.name for path in exports_of(["a.b", "c"], tmp_path)} == ours
    assert exports_of(["a.b"], tmp_path / "nowhere") == []


def test_what_is_not_made_anew_goes_and_nothing_else(tmp_path: Path) -> None:
    """Regression: clips of an earlier threshold stayed beside those of a later one, as if they were of one run."""
    segments, out = found(), tmp_path / "out"
    tokens = [tokens_of(tmp_path, name, prequant=True) for name in ("clip_0", "clip_1")]
    options = ExportOptions(codes=True, prequant=True, min_overlap=0.0)
    TableExport(out, options, tokens=tokens).write(segments)
    stale = {"clip_0_0007.mp4", "clip_1_0123.codes.json", "clip_1_00123.prequant.npy"}
    others = {"clip_0.mp4", "clip_9_0000.mp4", "notes.txt"}
    for name in stale | others:
        (out / name).write_text("earlier")
    before = {path.name for path in out.iterdir()}
    with pytest.raises(StorageError, match=r"expected no exports of these videos there, got .* give --force, which"):
        TableExport(out, options, tokens=tokens).write(segments)
    assert {path.name for path in out.iterdir()} == before
    fewer = options.model_copy(update={"prequant": False})
    done = TableExport(out, fewer, tokens=tokens, force=True).write(segments)
    latents = {f"{name}_{n:04d}.prequant.npy" for name in ("clip_0", "clip_1") for n in range(3)} & before
    assert len(latents) == len(segments)
    assert {path.name for path in out.iterdir()} == before - stale - latents
    assert done.removed == len(stale | latents)
    assert str(done) == f"3 segments to {out}; removed 6 files of an earlier export"


def test_a_video_with_the_name_of_a_clip_is_never_replaced(tmp_path: Path) -> None:
    segments = found(("a", "a_0001", "b"))
    out = tmp_path / "out"
    out.mkdir()
    (out / "a_0001.mp4").write_text("a video")
    export = TableExport(out, ExportOptions(), force=True)
    with pytest.raises(SchemaError, match=r"expected a folder for exports alone, got one with a_0001\.mp4"):
        export.write(segments)
    given = {"elsewhere": out / "a_0001.mp4"}
    with pytest.raises(SchemaError, match=r"expected a folder for exports alone, got one with a_0001\.mp4"):
        TableExport(out, ExportOptions(), videos=given, force=True).write(found(("a", "b", "c")))
    assert (out / "a_0001.mp4").read_text() == "a video"


def test_segments_without_a_window_are_counted(tmp_path: Path) -> None:
    # Two frames of ten per second hold no window of four.
    segments = replace(found(), end_s=found().start_s + np.array([0.2, 1.0, 0.2]))
    tokens = [tokens_of(tmp_path, name) for name in ("clip_0", "clip_1")]
    times = lapsdata.read(tokens[0], Tokens)
    spans = zip(segments.start_s, segments.end_s, strict=True)
    frames = [set(np.flatnonzero((times.frame_s >= start) & (times.frame_s < end)).tolist()) for start, end in spans]
    windows = [set(range(start, start + times.header.horizon)) for start in times.start_index.tolist()]
    bare = sum(not any(window <= inside for window in windows) for inside in frames)
    done = TableExport(tmp_path / "out", ExportOptions(codes=True, min_overlap=1.0), tokens=tokens).write(segments)
    assert 0 < bare == done.counts["without_windows"]
    assert [problem.code for problem in done.problems] == ["no-windows"]
    assert f"{bare} of 3 segments have no codes" in done.problems[0].message
    assert f"{bare} of them without a window" in str(done)


def test_the_verb_exports_clips_and_codes(inside: Callable[..., Any], tmp_path: Path) -> None:
    energies = sample_energies()
    lapsdata.write(tmp_path / "energies.jsonl", energies)
    names = energies.header.videos
    (tmp_path / "tokens").mkdir()
    for name in names:
        tokens_of(tmp_path / "tokens", name)
        write_video(tmp_path / f"{name}.mp4", [np.zeros((48, 64, 3), np.uint8)] * 40, np.arange(40) / 20)
    words = ("segment", "energies.jsonl", "--out", "s.parquet", "--threshold", "0.5", "--set", "up_s=0")
    code, out, _ = inside(*words, "--export", "e", "--tokens", "tokens", "--videos", ".")
    assert code == 0, out
    segments = lapsdata.read(tmp_path / "s.parquet", Segments)
    made = sorted(one.name for one in (tmp_path / "e").iterdir())
    assert len(made) == 2 * len(segments) > 0
    assert "exported" in out
    code, _, err = inside(*words, "--export", "e")
    assert (code, "goes with --tokens or --videos" in " ".join(err.split())) == (2, True)


def test_the_verb_refuses_before_it_replaces_the_segments(inside: Callable[..., Any], tmp_path: Path) -> None:
    """Regression: the segments were of the new threshold and their exports of the old one, at exit 1."""
    energies = sample_energies()
    lapsdata.write(tmp_path / "energies.jsonl", energies)
    (tmp_path / "tokens").mkdir()
    for name in energies.header.videos:
        tokens_of(tmp_path / "tokens", name)
    tokens = ("--export", "e", "--tokens", "tokens")
    words = ("segment", "energies.jsonl", "--out", "s.parquet", *tokens, "--set", "up_s=0")
    assert inside(*words, "--threshold", "0.5")[0] == 0
    before = {path: path.read_bytes() for path in (tmp_path / "s.parquet", *(tmp_path / "e").iterdir())}
    code, _, err = inside(*words, "--threshold", "0.8")
    assert (code, "give --force" in " ".join(err.split()), "overwrite" in err) == (1, True, False), err
    assert {path: path.read_bytes() for path in before} == before
    code, out, _ = inside(*words, "--threshold", "9", "--force")
    assert (code, list((tmp_path / "e").iterdir())) == (0, [])
    assert f"removed {len(before) - 1} files of an earlier export" in out


def test_the_verb_tells_settings_by_their_option(inside: Callable[..., Any], tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "energies.jsonl", sample_energies())
    words = ("segment", "energies.jsonl", "--out", "s.parquet", "--threshold", "0.5")
    code, _, err = inside(*words, "--set", "up_s=3", "--set", "max_duration_s=2")
    assert (code, "StateMachine" in err) == (1, False)
    assert "--set up_s: expected up_s of at most max_duration_s = 2" in " ".join(err.split())


def test_the_verb_refuses_codes_of_another_tokenizer(inside: Callable[..., Any], tmp_path: Path) -> None:
    made = sample_energies()
    told = {"source": "quantized", "mode": "token_diff_step", "tokenizer": ONE}
    lapsdata.write(tmp_path / "energies.jsonl", replace(made, header=made.header.model_copy(update=told)))
    (tmp_path / "tokens").mkdir()
    for name in made.header.videos:
        with_tokenizer(tokens_of(tmp_path / "tokens", name), OTHER)
    words = ("segment", "energies.jsonl", "--out", "s.parquet", "--threshold", "0.5", "--set", "up_s=0")
    code, _, err = inside(*words, "--export", "e", "--tokens", "tokens")
    assert (code, "[other-tokenizer]" in err) == (1, True)
    assert not (tmp_path / "s.parquet").exists()
    assert not (tmp_path / "e").exists()

"""Training and encoding of files: kept by what their outputs say, resumed to the same bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from lapsdata import formats
from lapsdata.containers import Tokens, Tracks
from lapsdata.errors import SchemaError, StorageError
from lapsdata.provenance import parent
from lapsdata.testing.contracts import content_of
from lapsdata.testing.samples import sample_tracks
from lapsdata.timebase import FrameRate
from lapsmodels.stages.encode import VideoEncoder, encode_tracks
from lapsmodels.stages.encode_many import EncodeOptions, encode_files
from lapsmodels.stages.encode_report import Encoded
from lapsmodels.stages.train import FINISHED, codebook_problems, train_tokenizer
from lapsmodels.stages.train_options import PLUGIN, TrainStageOptions
from lapsmodels.tokenizer.checkpoint import load_tokenizer
from lapsmodels.tokenizer.config import PRESETS
from lapsmodels.tokenizer.corrections import AS_PUBLISHED, Corrections

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUICK = TrainStageOptions(steps=6, batch=4, save_every=2, threads=1, picture_every=0, device="cpu")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    (tmp_path / "tracks").mkdir()
    paths = [tmp_path / "tracks" / f"clip_{number}.h5" for number in range(2)]
    for number, path in enumerate(paths):
        formats.write(path, sample_tracks(windows=9, horizon=6, points=9, seed=number))
    return paths


def whole(folder: Path) -> dict[str, bytes]:
    """Return what does not say how long it took."""
    return {name: (folder / name).read_bytes() for name in ("tokenizer.json", "weights.safetensors", FINISHED)}


def test_a_tokenizer_fits_its_data(files: list[Path], tmp_path: Path) -> None:
    output = train_tokenizer(files, tmp_path / "t", QUICK)
    header = output.content
    assert (header.config.points, header.config.horizon) == (9, 6)
    # 0.5 of the frame per second at 10 frames per second, in 7 pixels.
    assert header.config.class_size == (140, 140)
    assert header.config.scale > 1
    assert (header.config.seen_only, header.config.inside_only, header.config.rounding) == (True, True, "displacements")
    assert header.trained is not None
    assert (header.trained.windows, header.trained.steps) == (18, 6)
    assert header.trained.rate == FrameRate(10)
    assert header.trained.corrections == Corrections()
    assert header.trained.train.codebook.seen == 18 * 5
    read = [formats.read(path, Tracks) for path in files]
    both = [one.vis["default"][:, 1:] & one.vis["default"][:, :-1] for one in read]
    assert header.trained.train.classes.displacements == sum(int(known.sum()) for known in both)
    assert header.trained.train.classes.beyond_share > 0.5
    assert [parent.name for parent in header.provenance.parents] == ["clip_0.h5", "clip_1.h5"]
    assert load_tokenizer(tmp_path / "t").header == header


def test_the_preset_amplify_corrects_nothing_but_what_it_is_told_to(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = PRESETS["amplify"].model_copy(update={"width": 16, "heads": 2, "head_width": 8, "levels": (5, 3)})
    monkeypatch.setitem(PRESETS, "amplify", tiny)
    options = TrainStageOptions(preset="amplify", steps=2, batch=4)
    assert options.corrections == AS_PUBLISHED
    header = train_tokenizer(files, tmp_path / "p", options).content
    assert header.config == tiny.model_copy(update={"points": 9, "horizon": 6})
    assert header.trained is not None
    assert header.trained.corrections == AS_PUBLISHED
    some = TrainStageOptions(preset="amplify", window_per_s=2.0, scaled=True, diversity=0.3)
    differ = AS_PUBLISHED.model_copy(update={"window_per_s": 2.0, "scaled": True, "diversity": 0.3})
    assert some.corrections == differ
    assert PLUGIN.options("amplify", {"diversity": 0.3}) == TrainStageOptions(preset="amplify", diversity=0.3)
    assert TrainStageOptions().corrections == Corrections()


@pytest.mark.parametrize("preset", ["small", "amplify"])
def test_options_come_back_from_json(preset: Any) -> None:
    options = TrainStageOptions(preset=preset, radial_power=1.5, betas=(0.8, 0.9))
    assert TrainStageOptions.parse(options.to_bytes()) == options
    assert PLUGIN.options(preset, PLUGIN.told(preset, {"radial_power": 1.5, "betas": [0.8, 0.9]})) == options


def test_a_window_in_time_needs_one_rate(files: list[Path], tmp_path: Path) -> None:
    slow = sample_tracks(windows=3, horizon=6, points=9)
    header = slow.header.model_copy(update={"rate": FrameRate(20)})
    formats.write(tmp_path / "fast.h5", replace(slow, header=header, frame_s=slow.frame_s / 2))
    unlike = [files[0], tmp_path / "fast.h5"]
    with pytest.raises(
        SchemaError, match=r"expected tracks of one rate, got 10 Hz of clip_0 and 20 Hz of clip_0; track"
    ):
        train_tokenizer(unlike, tmp_path / "t", QUICK)
    free = train_tokenizer(unlike, tmp_path / "t", QUICK.model_copy(update={"window_per_s": None})).content
    assert free.config.class_size == (128, 128)
    # A variable rate is that of the median interval.
    odd = slow.header.model_copy(update={"rate": None})
    formats.write(tmp_path / "odd.h5", replace(slow, header=odd, frame_s=slow.frame_s * 2))
    assert train_tokenizer([tmp_path / "odd.h5"], tmp_path / "v", QUICK).content.config.class_size == (70, 70)


def test_what_is_done_is_kept_and_what_is_changed_is_trained_anew(files: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "t"
    assert train_tokenizer(files, out, QUICK).fate == "made"
    first = whole(out)
    assert train_tokenizer(files, out, QUICK).fate == "kept"
    assert train_tokenizer(files, out, QUICK, force=True).fate == "forced"
    assert whole(out) == first
    assert train_tokenizer(files[:1], out, QUICK).fate == "changed"
    assert whole(out) != first
    assert train_tokenizer(files, out, QUICK.model_copy(update={"seed": 1})).fate == "changed"
    (out / "weights.safetensors").write_bytes(b"torn")
    assert train_tokenizer(files, out, QUICK).fate == "damaged"
    assert whole(out) == first


def test_what_others_have_made_is_never_replaced(files: list[Path], tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "notes.txt").write_text("mine")
    with pytest.raises(StorageError, match=r"it is left as it is"):
        train_tokenizer(files, tmp_path / "t", QUICK, force=True)
    assert [item.name for item in (tmp_path / "t").iterdir()] == ["notes.txt"]


def test_no_tracks_and_unlike_tracks_are_told(files: list[Path], tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"expected tracks, got none"):
        train_tokenizer([], tmp_path / "t", QUICK)
    formats.write(tmp_path / "long.h5", sample_tracks(windows=3, horizon=7, points=9))
    with pytest.raises(SchemaError, match=r"tracks: expected \(6, 9, 2\) float32 pixel xy .*, got \(7, 9, 2\)"):
        train_tokenizer([*files, tmp_path / "long.h5"], tmp_path / "t", QUICK)


def test_a_collapsed_codebook_is_told(tmp_path: Path) -> None:
    still = sample_tracks(windows=9, horizon=6, points=9)
    tracks = {"default": np.full((9, 6, 9, 2), 50, np.float32)}
    vis = {"default": np.ones((9, 6, 9), bool)}
    formats.write(tmp_path / "still.h5", replace(still, tracks=tracks, vis=vis))
    header = train_tokenizer([tmp_path / "still.h5"], tmp_path / "t", QUICK).content
    assert header.config.scale == 1
    assert [problem.code for problem in codebook_problems(header)] == ["collapsed-codebook"]


def test_files_of_tracks_become_files_of_tokens(files: list[Path], tmp_path: Path) -> None:
    train_tokenizer(files, tmp_path / "t", QUICK)
    report = encode_files(files, tmp_path / "t", tmp_path / "tokens")
    assert [(entry.name, entry.fate, entry.result) for entry in report.entries] == [
        ("clip_0", "made", Encoded(9, 0, FrameRate(10))), ("clip_1", "made", Encoded(9, 0, FrameRate(10))),
    ]  # fmt: skip
    expected = encode_tracks(formats.read(files[1], Tracks), load_tokenizer(tmp_path / "t"))
    found = formats.read(tmp_path / "tokens" / "clip_1.zarr", Tokens)
    np.testing.assert_array_equal(found.codes, expected.codes)
    np.testing.assert_array_equal(found.quantized, expected.quantized)
    assert [parent.role for parent in found.header.provenance.parents] == ["tracks", "tokenizer"]


def test_what_is_read_ahead_and_written_behind_has_the_bytes_of_one_after_the_other(
    files: list[Path], tmp_path: Path
) -> None:
    train_tokenizer(files, tmp_path / "t", QUICK)
    encode_files(files, tmp_path / "t", tmp_path / "tokens", EncodeOptions(latents="both", batch=2))
    for path in files:
        found = tmp_path / "tokens" / f"{path.stem}.zarr"
        parents = formats.read_header(found).provenance.parents
        assert parents[0] == parent("tracks", path)
        tokens = encode_tracks(
            formats.read(path, Tracks), load_tokenizer(tmp_path / "t"), latents="both", parents=parents
        )
        formats.write(tmp_path / "plain.zarr", tokens, overwrite=True)
        assert content_of(found) == content_of(tmp_path / "plain.zarr")


def test_a_window_that_is_damaged_fails_its_video_alone(tmp_path: Path) -> None:
    files = [tmp_path / f"clip_{n}.zarr" for n in range(3)]
    for number, path in enumerate(files):
        formats.write(path, sample_tracks(windows=9, horizon=6, points=9, seed=number))
    train_tokenizer(files, tmp_path / "t", QUICK)
    shard = next((files[1] / "root" / "default" / "tracks" / "c").rglob("0/0/0/0"))
    content = bytearray(shard.read_bytes())
    row = 6 * 9 * 2 * 4 + 4
    content[7 * row] ^= 1
    shard.write_bytes(content)
    report = encode_files(files, tmp_path / "t", tmp_path / "tokens", EncodeOptions(batch=2))
    assert [entry.fate for entry in report.entries] == ["made", "failed", "made"]
    assert report.entries[1].problems[0].code == "payload-checksum"
    assert f"row 7 (root/default/tracks/c/0/0/0/0, bytes {7 * row} to {8 * row})" in str(report.problems[0])
    assert sorted(item.name for item in (tmp_path / "tokens").iterdir()) == ["clip_0.zarr", "clip_2.zarr"]


def test_tracks_that_are_replaced_while_they_are_encoded_are_told(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their digest may be that of others: tokens that speak of it would be kept for good."""
    train_tokenizer(files, tmp_path / "t", QUICK)
    add = VideoEncoder.add

    def replaced_meanwhile(video: VideoEncoder, first: int, *given: Any) -> None:
        if not first:
            formats.write(files[0], sample_tracks(windows=4, horizon=6, points=9, seed=7), overwrite=True)
        add(video, first, *given)

    monkeypatch.setattr(VideoEncoder, "add", replaced_meanwhile)
    report = encode_files(files[:1], tmp_path / "t", tmp_path / "tokens")
    assert [problem.code for problem in report.problems] == ["replaced"]
    monkeypatch.undo()
    assert encode_files(files[:1], tmp_path / "t", tmp_path / "tokens").counts["made"] == 1


def test_tokens_are_kept_until_their_tracks_or_tokenizer_change(files: list[Path], tmp_path: Path) -> None:
    def fates(**options: Any) -> list[str]:
        report = encode_files(files, tmp_path / "t", tmp_path / "tokens", **options)
        return [entry.fate for entry in report.entries]

    train_tokenizer(files, tmp_path / "t", QUICK)
    assert fates() == ["made", "made"]
    assert fates() == ["kept", "kept"]
    formats.write(files[0], sample_tracks(windows=4, horizon=6, points=9, seed=7), overwrite=True)
    assert fates() == ["changed", "kept"]
    assert fates(options=EncodeOptions(latents="both")) == ["changed", "changed"]
    train_tokenizer(files, tmp_path / "t", QUICK.model_copy(update={"seed": 3}))
    assert fates(options=EncodeOptions(latents="both")) == ["changed", "changed"]
    assert fates(options=EncodeOptions(latents="both"), force=True) == ["forced", "forced"]


def test_a_file_that_does_not_fit_fails_beside_the_others(files: list[Path], tmp_path: Path) -> None:
    train_tokenizer(files, tmp_path / "t", QUICK)
    formats.write(tmp_path / "long.h5", sample_tracks(windows=3, horizon=7, points=9))
    report = encode_files([files[0], tmp_path / "long.h5"], tmp_path / "t", tmp_path / "tokens")
    assert [entry.fate for entry in report.entries] == ["made", "failed"]
    assert "the tokenizer takes windows of 6 frames and 9 points, got 7 and 9" in str(report.problems[0])


def test_no_tokenizer_is_told_at_once(files: list[Path], tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"expected a folder with tokenizer.json and weights.safetensors, got noth"):
        encode_files(files, tmp_path / "nowhere", tmp_path / "tokens")
    assert not (tmp_path / "tokens").exists()


def test_a_tokenizer_that_was_trained_anew_is_read_anew(files: list[Path], tmp_path: Path) -> None:
    made = []
    for seed in (0, 1):
        train_tokenizer(files, tmp_path / "t", QUICK.model_copy(update={"seed": seed}))
        encode_files(files[:1], tmp_path / "t", tmp_path / "tokens", EncodeOptions(latents="both"))
        made.append(formats.read(tmp_path / "tokens" / "clip_0.zarr", Tokens))
    weights = load_tokenizer(tmp_path / "t").header.weights
    assert made[1].header.tokenizer.checkpoint == weights != made[0].header.tokenizer.checkpoint
    assert not np.array_equal(made[0].prequant, made[1].prequant)


def test_processes_that_share_the_files_make_the_same_bytes(files: list[Path], tmp_path: Path) -> None:
    train_tokenizer(files, tmp_path / "t", QUICK)
    encode_files(files, tmp_path / "t", tmp_path / "alone")
    report = encode_files(files, tmp_path / "t", tmp_path / "shared", workers=2)
    assert report.counts["made"] == 2
    one, other = (
        {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (tmp_path / "alone", tmp_path / "shared")
    )
    assert one == other
    assert encode_files(files, tmp_path / "t", tmp_path / "shared", workers=2).counts["kept"] == 2


def test_a_gpu_that_is_not_there_is_told(files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train_tokenizer(files, tmp_path / "t", QUICK)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SchemaError, match=r"device: expected a GPU that torch can use, got none; encode on the"):
        encode_files(files, tmp_path / "t", tmp_path / "tokens", EncodeOptions(device="cuda"))
    with pytest.raises(SchemaError, match=r"device: expected a GPU that torch can use, got none; train on the"):
        train_tokenizer(files, tmp_path / "u", QUICK.model_copy(update={"device": "cuda"}))


def test_tracks_of_another_rate_are_told(files: list[Path], tmp_path: Path) -> None:
    train_tokenizer(files, tmp_path / "t", QUICK)
    for name, rate in (("slow", FrameRate(5)), ("varying", None)):
        one = sample_tracks(windows=9, horizon=6, points=9)
        slower = replace(one, header=one.header.model_copy(update={"rate": rate}), frame_s=one.frame_s * 2)
        formats.write(tmp_path / f"{name}.h5", slower)
    report = encode_files(
        [files[0], tmp_path / "slow.h5", tmp_path / "varying.h5"], tmp_path / "t", tmp_path / "tokens"
    )
    (told,) = report.problems
    assert (told.code, told.severity) == ("other-rate", "warning")
    assert (
        "expected tracks at 10 frames per second, as the tokenizer was trained on, got 5 in 'slow', 'varying'"
        in str(told)
    )
    assert encode_files([files[0]], tmp_path / "t", tmp_path / "tokens").problems == ()
    assert encode_files([files[0]], tmp_path / "t", tmp_path / "others").problems == ()


def test_nothing_to_encode_is_refused(files: list[Path], tmp_path: Path) -> None:
    train_tokenizer(files, tmp_path / "t", QUICK)
    with pytest.raises(SchemaError, match="tracks: expected tracks, got none; make some: lapsdata track"):
        encode_files([], tmp_path / "t", tmp_path / "tokens")
    assert not (tmp_path / "tokens").exists()


def test_motion_that_no_tokenizer_was_trained_on_is_told(files: list[Path], tmp_path: Path) -> None:
    train_tokenizer(files, tmp_path / "t", QUICK)
    report = encode_files(files[:1], tmp_path / "t", tmp_path / "tokens", EncodeOptions(motion="residual"))
    assert [(one.code, one.severity) for one in report.problems] == [("residual-untrained", "warning")]
    assert formats.read(tmp_path / "tokens" / "clip_0.zarr", Tokens).header.motion == "residual"

"""The stage: features and motion meet in time; what has no partner is counted; groups are held out as a whole."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import lapsdata
from lapsdata.containers import Energies
from lapsdata.errors import SchemaError, StorageError
from lapsdata.schema import EnergiesHeader, ProbeResult
from lapsdata.stages.probe import ProbeOptions, probe_features, probe_files, read_groups, score_probe
from lapsdata.storage.sealed_json import read_sealed_json
from lapsdata.testing.samples import sample_provenance, sample_segments, sample_tokens, sample_tracks

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("one", "two", "three", "four")
STEPS = {"one": 60, "two": 52, "three": 71, "four": 44}
RATE = 10
QUICK: dict[str, Any] = {"draws": 4, "random_draws": 2}


def motion_of(name: str, samples: int | None = None) -> Any:
    """Return the position of two joints at the times of all frames: their velocity differs from step to step."""
    random = np.random.default_rng(len(name) + ord(name[0]))
    velocity = random.standard_normal((STEPS[name], 2))
    return np.concatenate([np.zeros((1, 2)), np.cumsum(velocity / RATE, axis=0)])[:samples]


def energies_of(names: tuple[str, ...] = NAMES, *, mode: str = "velocity_step", shift_s: float = 0.0) -> Energies:
    """Return energies per step that are twice the first joint's velocity and half the second's."""
    parts = []
    for number, name in enumerate(names):
        value = np.diff(motion_of(name), axis=0) @ [20.0, 5.0]
        parts.append((np.full(len(value), number), np.arange(len(value)), value))
    video, index, value = (np.concatenate(part) for part in zip(*parts, strict=True))
    header = EnergiesHeader(
        provenance=sample_provenance(), per="step", source="velocity", mode=mode, support_s=0.1, hop_s=0.1, videos=names
    )
    start = index / RATE + shift_s
    return Energies(header, video, index, start, (index + 1) / RATE + shift_s, value, np.zeros(len(value), np.uint8))


def table(
    folder: Path, names: tuple[str, ...] = NAMES, *, from_s: float = 0.0, leave_out: tuple[int, ...] = ()
) -> Path:
    rows = ["video,time_s,first,second"]
    for name in names:
        for at, (first, second) in enumerate(motion_of(name)):
            if at not in leave_out and at / RATE >= from_s:
                rows.append(f"{name},{at / RATE!r},{float(first)!r},{float(second)!r}")
    (folder / "motion.csv").write_text("\n".join(rows))
    return folder / "motion.csv"


@pytest.fixture
def energies(tmp_path: Path) -> Path:
    lapsdata.write(tmp_path / "e.jsonl", energies_of())
    return tmp_path / "e.jsonl"


def options(**changes: Any) -> ProbeOptions:
    return ProbeOptions(**{**QUICK, **changes})


def test_a_sum_of_joint_velocities_is_told_as_far_as_one_number_can(energies: Path, tmp_path: Path) -> None:
    found = probe_features([energies], table(tmp_path), options())
    assert found.quantities == ("first", "second")
    assert [(group.name, group.rows) for group in found.groups] == sorted((name, STEPS[name]) for name in NAMES)
    assert found.left_out == ()
    assert {policy: count for policy, count in found.policies.items() if count} == {}
    row = found.rows[0]
    assert row.name == "velocity velocity_step"
    # The energy is 2 v1 + 0.5 v2 of independent velocities: 16/17 and 1/17 of their variance.
    assert row.quantities[0] == pytest.approx(16 / 17, abs=0.04)
    assert row.quantities[1] == pytest.approx(1 / 17, abs=0.08)
    assert row.r2 == pytest.approx((row.quantities[0] + row.quantities[1]) / 2)
    assert all(control.r2 < 0.05 for control in found.rows[1:])


def test_rows_meet_by_time_and_never_by_number(energies: Path, tmp_path: Path) -> None:
    """Regression: samples of a table were taken for steps by their number; a table that begins late is shifted then."""
    whole = probe_features([energies], table(tmp_path), options())
    late = probe_features([energies], table(tmp_path, from_s=1.0), options())
    assert late.policies["rows_outside_the_truth"] == 4 * 10
    assert late.rows[0].quantities[0] == pytest.approx(whole.rows[0].quantities[0], abs=0.04)
    assert sum(group.rows for group in late.groups) == sum(STEPS.values()) - 40
    shifted = tmp_path / "shifted.jsonl"
    lapsdata.write(shifted, energies_of(shift_s=0.1))
    assert probe_features([shifted], table(tmp_path), options()).rows[0].r2 < 0.1


def test_values_are_means_over_the_support(energies: Path, tmp_path: Path) -> None:
    found = probe_features([energies], table(tmp_path), options(target="value"))
    assert found.rules.target == "value"
    assert found.rows[0].r2 < 0.3
    rows = ["video,time_s,speed"]
    for name in NAMES:
        value = np.diff(motion_of(name), axis=0) @ [20.0, 5.0]
        # Between two samples of one step its value stands; the mean over the step is that value.
        rows += [
            f"{name},{(at + part) / RATE},{float(one)!r}" for at, one in enumerate(value) for part in (0.001, 0.999)
        ]
    (tmp_path / "speed.csv").write_text("\n".join(rows))
    told = probe_features([energies], tmp_path / "speed.csv", options(target="value", max_gap_s=0.2))
    assert told.rows[0].r2 > 0.99


def test_samples_that_are_missing_leave_a_gap(energies: Path, tmp_path: Path) -> None:
    found = probe_features([energies], table(tmp_path, leave_out=(20, 21)), options())
    assert found.policies["rows_in_a_gap_of_the_truth"] == 4 * 3
    bridged = probe_features([energies], table(tmp_path, leave_out=(20, 21)), options(max_gap_s=0.3))
    assert bridged.policies["rows_in_a_gap_of_the_truth"] == 0
    assert bridged.rules.max_gap_s == 0.3
    text = table(tmp_path).read_text().replace("one,3.0,", "one,3.0,nan,", 1).splitlines()
    (tmp_path / "nan.csv").write_text("\n".join(line.rsplit(",", 1)[0] if "nan" in line else line for line in text))
    holed = probe_features([energies], tmp_path / "nan.csv", options())
    assert holed.policies["truth_samples_not_finite"] == 1
    assert holed.policies["rows_in_a_gap_of_the_truth"] == 2


def test_energies_that_were_not_measured_are_no_rows(tmp_path: Path) -> None:
    made = energies_of()
    value, state = made.energy.copy(), made.state.copy()
    value[5:9], state[5:9] = np.nan, [1, 1, 2, 2]
    lapsdata.write(tmp_path / "e.jsonl", replace(made, energy=value, state=state))
    found = probe_features([tmp_path / "e.jsonl"], table(tmp_path), options())
    assert found.policies["rows_without_features"] == 4
    assert sum(group.rows for group in found.groups) == sum(STEPS.values()) - 4


def test_videos_without_a_partner_are_named(energies: Path, tmp_path: Path) -> None:
    rows = table(tmp_path, ("one", "two", "three")).read_text().splitlines()
    (tmp_path / "motion.csv").write_text("\n".join([*rows, "five,0,0,0", "five,0.1,1,1"]))
    found = probe_features([energies], tmp_path / "motion.csv", options())
    assert [(video.name, video.why) for video in found.left_out] == [("four", "no_truth")]
    assert found.policies["truth_videos_without_features"] == 1
    late = table(tmp_path).read_text().splitlines()
    (tmp_path / "motion.csv").write_text("\n".join(line for line in late if not line.startswith("two,")))
    with (tmp_path / "motion.csv").open("a") as file:
        file.write("\ntwo,900.0,1,1\ntwo,900.1,1,2\n")
    found = probe_features([energies], tmp_path / "motion.csv", options())
    assert [(video.name, video.why) for video in found.left_out] == [("two", "no_rows")]
    assert found.policies["rows_outside_the_truth"] == STEPS["two"]
    (tmp_path / "motion.csv").write_text("video,time_s,x\nother,0,1\nother,1,2\n")
    with pytest.raises(SchemaError, match=r"expected rows of features with a truth at their time, got none: four"):
        probe_features([energies], tmp_path / "motion.csv", options())


def test_videos_of_one_group_are_held_out_together(energies: Path, tmp_path: Path) -> None:
    groups = {"same": ("one", "two"), "elsewhere": ("nine",)}
    found = probe_features([energies], table(tmp_path), options(groups=groups))
    assert [(group.name, group.videos) for group in found.groups] == [
        *(("four", ("four",)), ("same", ("one", "two")), ("three", ("three",))),
    ]
    assert found.policies["grouped_videos_not_there"] == 1
    assert found.rules.folds == 3
    with pytest.raises(SchemaError, match="expected at least two groups of videos, of which one is held out, got all"):
        probe_features([energies], table(tmp_path), options(groups={"all": NAMES}))
    with pytest.raises(SchemaError, match="expected another name for the group, got that of a video outside of it"):
        probe_features([energies], table(tmp_path), options(groups={"four": ("one", "two")}))
    two = {"same": ("one", "two"), "other": ("three", "four")}
    with pytest.raises(SchemaError, match="expected a third group"):
        probe_features([energies], table(tmp_path), options(groups=two))
    alone = probe_features([energies], table(tmp_path), options(groups=two, strengths=(0.1,)))
    assert alone.rows[0].strengths == (0.1, 0.1)


def test_sets_of_unlike_times_meet_in_the_middle(energies: Path, tmp_path: Path) -> None:
    """The second energies lie half a step later, as those of changes from token to token do."""
    later = tmp_path / "later.jsonl"
    made = energies_of(mode="token_diff_step", shift_s=0.05)
    lapsdata.write(later, replace(made, header=made.header.model_copy(update={"source": "quantized"})))
    found = probe_features([energies, later], table(tmp_path), options())
    assert [row.name for row in found.rows][:2] == ["velocity velocity_step", "quantized token_diff_step"]
    # The first step lies before the middle of the first row of the other set.
    assert found.policies["rows_without_features"] == 4
    assert found.rows[0].quantities[0] == pytest.approx(16 / 17, abs=0.04)
    # Half of it is of the step before.
    assert found.rows[1].quantities[0] == pytest.approx(8 / 17, abs=0.12)


def videos(folder: Path, kind: str) -> list[Path]:
    """Return tokens or tracks of all videos, as long as their motion."""
    folder.mkdir()
    for seed, name in enumerate(NAMES):
        windows = STEPS[name] - 2
        made: Any = (
            sample_tokens(windows=windows, latent=3, seed=seed) if kind == "tokens" else
            sample_tracks(windows=windows, horizon=4, points=6, seed=seed)
        )  # fmt: skip
        video = made.header.video.model_copy(update={"name": name})
        made = replace(made, header=made.header.model_copy(update={"video": video}))
        lapsdata.write(folder / f"{name}{'.zarr' if kind == 'tokens' else '.h5'}", made)
    return probe_files([folder])


def test_tokens_tracks_and_energies_stand_in_one_table(energies: Path, tmp_path: Path) -> None:
    files = [energies, *videos(tmp_path / "tracks", "tracks"), *videos(tmp_path / "tokens", "tokens")]
    found = probe_features(files, table(tmp_path), options())
    assert [row.name for row in found.rows] == [
        *("tokens", "tracks", "velocity velocity_step"),
        *("shuffled_tokens", "shuffled_tracks", "shuffled_velocity velocity_step"),
        *("time", "raw_flow", "random_features"),
        *("random_projection_tokens", "random_projection_velocity velocity_step"),
    ]
    assert [row.columns for row in found.rows][:3] == [3, 12, 1]
    assert found.rows[0].parameters["of"] == "quantized"
    assert found.rows[2].quantities[0] == pytest.approx(16 / 17, abs=0.05)
    # Random tokens and tracks know nothing of it.
    assert max(row.r2 for row in found.rows if row.name != "velocity velocity_step") < 0.5
    assert max(found.rows[0].r2, found.rows[1].r2) < 0.1
    assert [one.role for one in found.provenance.parents] == ["features"] * len(files) + ["truth"]


def test_rows_of_windows(tmp_path: Path) -> None:
    files = videos(tmp_path / "tokens", "tokens")
    found = probe_features(files, table(tmp_path), options(per="window", latents="codes"))
    codes = lapsdata.read(files[0]).header.tokenizer.codes
    assert found.rows[0].columns == 3 * codes
    assert sum(group.rows for group in found.groups) == sum(STEPS.values()) - 2 * len(NAMES)
    lapsdata.write(tmp_path / "e.jsonl", energies_of())
    with pytest.raises(SchemaError, match=r"e\.jsonl: expected energies per window, got them per step"):
        probe_features([tmp_path / "e.jsonl"], table(tmp_path), options(per="window"))


def test_a_video_that_lacks_one_of_the_features_is_left_out(energies: Path, tmp_path: Path) -> None:
    tokens = [path for path in videos(tmp_path / "tokens", "tokens") if path.stem != "two"]
    found = probe_features([energies, *tokens], table(tmp_path), options())
    assert [(video.name, video.why) for video in found.left_out] == [("two", "no_features")]


def test_what_does_not_belong_together_is_refused(energies: Path, tmp_path: Path) -> None:
    tokens = videos(tmp_path / "tokens", "tokens")
    truth = table(tmp_path)
    with pytest.raises(SchemaError, match="expected each video once, got 'four' in another file too"):
        probe_features([*tokens, tokens[0]], truth, options())
    lapsdata.write(tmp_path / "s.parquet", sample_segments())
    with pytest.raises(SchemaError, match="expected tokens, tracks or energies, got segments"):
        probe_features([tmp_path / "s.parquet"], truth, options())
    with pytest.raises(SchemaError, match="expected at least one file of features, got none"):
        probe_features([], truth, options())
    other = lapsdata.read(tokens[0])
    maker = other.header.tokenizer.model_copy(update={"checkpoint": "sha256:" + "9" * 64})
    video = other.header.video.model_copy(update={"name": "nine"})
    header = other.header.model_copy(update={"tokenizer": maker, "video": video})
    lapsdata.write(tmp_path / "nine.zarr", replace(other, header=header))
    with pytest.raises(SchemaError, match="expected tokens of one tokenizer"):
        probe_features([*tokens, tmp_path / "nine.zarr"], truth, options())


def test_a_result_is_kept_and_made_anew_where_something_changed(energies: Path, tmp_path: Path) -> None:
    out, truth = tmp_path / "probe.json", table(tmp_path)
    fates = [score_probe([energies], truth, out, options()).fate for _ in range(2)]
    assert fates == ["made", "kept"]
    bytes_before = out.read_bytes()
    assert score_probe([energies], truth, out, options(), force=True).fate == "forced"
    assert out.read_bytes() == bytes_before
    assert score_probe([energies], truth, out, options(seed=1)).fate == "changed"
    found = read_sealed_json(out, ProbeResult)
    assert found.provenance.parameters["seed"] == 1
    table(tmp_path, from_s=0.5)
    assert score_probe([energies], truth, out, options(seed=1)).fate == "changed"
    out.write_text("notes")
    with pytest.raises(StorageError, match="it is left as it is"):
        score_probe([energies], truth, out, options(), force=True)


def test_groups_are_read_from_words_and_tables(tmp_path: Path) -> None:
    (tmp_path / "groups.csv").write_text("video,group\none,a\ntwo,a\nthree,b\n")
    assert read_groups([str(tmp_path / "groups.csv"), "c= four , five"]) == {
        "a": ("one", "two"), "b": ("three",), "c": ("four", "five"),
    }  # fmt: skip
    (tmp_path / "other.csv").write_text("name,of\none,a\n")
    with pytest.raises(SchemaError, match="expected the columns video and group, got name, of"):
        read_groups([str(tmp_path / "other.csv")])
    with pytest.raises(SchemaError, match="expected each video in one group, got one twice"):
        read_groups(["a=one,two", "b=one"])
    with pytest.raises(SchemaError, match="expected a group and its videos"):
        read_groups(["a="])
    with pytest.raises(StorageError, match="no such file"):
        read_groups([str(tmp_path / "nowhere.csv")])

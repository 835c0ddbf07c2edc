"""What a score is told and what it finds by itself: splits, lengths, rows of chance, videos of one side, notes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata import formats
from lapsdata.containers import Energies, Segments
from lapsdata.errors import SchemaError
from lapsdata.metrics import TRAIN_ROWS, periodic_boundaries
from lapsdata.provenance import parent
from lapsdata.schema import EnergiesHeader, SegmentationResult, Tool
from lapsdata.segmenters import constant_energy_segments, segment
from lapsdata.segmenters.state_machine import StateMachine
from lapsdata.segmenters.uniform import Uniform
from lapsdata.stages._named_prediction import NamedPrediction
from lapsdata.stages.evaluate import CONSTANT_ENERGY, WINDOW_SLACK_S, EvaluateOptions, ScoredFiles, segment_scores
from lapsdata.testing.samples import labelled_segments, sample_provenance

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Pieces = dict[str, list[tuple[str | None, float]]]

TEA: Pieces = {
    "P1_tea": [("background", 1.0), ("pour", 2.0), ("stir", 3.0)],
    "P2_tea": [("pour", 4.0), ("background", 1.5), ("stir", 2.5)],
}
OTHERS: Pieces = {"P3_tea": [("stir", 2.0), ("pour", 5.0)], "P4_tea": [("pour", 1.0), ("stir", 6.0)]}
RATE = 10


def scored(found: Path | NamedPrediction, truth: Path, *files: Path | None, **options: Any) -> SegmentationResult:
    """Return the scores, quickly drawn; files are those of energies and of the train split."""
    chosen = EvaluateOptions(**{"draws": 3, "shift_draws": 3, **options})
    return segment_scores(ScoredFiles(found, truth, *files), chosen)[0]


def written(path: Path, pieces: Pieces) -> Path:
    formats.write(path, labelled_segments(pieces))
    return path


def names(result: SegmentationResult) -> list[str]:
    return [row.name for row in result.boundaries.rows]


def write_labels(root: Path, pieces: Pieces, **splits: Sequence[str]) -> Path:
    """Write labels of frames and splits in the layout of MS-TCN."""
    for folder in ("groundTruth", "splits"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for video, labels in pieces.items():
        lines = [f"{label}\n" for label, seconds in labels for _ in range(round(seconds * RATE))]
        (root / "groundTruth" / f"{video}.txt").write_text("".join(lines))
    for part, videos in splits.items():
        (root / "splits" / f"{part}.split1.bundle").write_text("".join(f"{video}.txt\n" for video in videos))
    return root


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a folder of labels with a test split, its train split and one that belongs to none."""
    return write_labels(tmp_path / "data", {**TEA, **OTHERS}, test=list(TEA), train=list(OTHERS), val=["P3_tea"])


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    return written(tmp_path / "truth.parquet", TEA)


# --- the split that is known ------------------------------------------------------------------------------------


def of_split(truth: Path, **options: Any) -> SegmentationResult:
    return scored(NamedPrediction("uniform", 2.0), truth, rate=str(RATE), **options)


def test_the_train_split_beside_a_test_split_is_known(data: Path) -> None:
    result = of_split(data, split="test.split1")
    assert set(TRAIN_ROWS) <= set(names(result))
    assert [video.name for video in result.boundaries.videos] == list(TEA)
    assert result.split == "test.split1"
    # The folder of the labels is as good as the one around it.
    assert of_split(data / "groundTruth", split="test.split1").boundaries.rows == result.boundaries.rows


def test_a_train_split_says_the_same_whoever_names_it(data: Path, tmp_path: Path) -> None:
    found = of_split(data, split="test.split1").boundaries.rows
    assert of_split(data, split="test.split1", train_split="train.split1").boundaries.rows == found
    apart = write_labels(tmp_path / "apart", OTHERS, all=list(OTHERS))
    for train, name in (
        (written(tmp_path / "train.parquet", OTHERS), None),
        (apart, None),
        (apart, "all.split1"),
    ):
        files = ScoredFiles(NamedPrediction("uniform", 2.0), data, None, train)
        options = EvaluateOptions(split="test.split1", train_split=name, rate=str(RATE), draws=3, shift_draws=3)
        assert segment_scores(files, options)[0].boundaries.rows == found


@pytest.mark.parametrize("split", ["train.split1", "val.split1", None])
def test_a_split_without_a_train_split_knows_none(data: Path, split: str | None) -> None:
    assert not set(TRAIN_ROWS) & set(names(of_split(data, split=split)))


def test_another_split_may_be_named_as_known(data: Path) -> None:
    few = of_split(data, split="test.split1", train_split="val.split1")
    row = next(row for row in few.boundaries.rows if row.name == "train_copy")
    all_of_it = of_split(data, split="test.split1")
    assert row != next(row for row in all_of_it.boundaries.rows if row.name == "train_copy")
    # One boundary of P3, copied to both; the test split alone would be none of its own.
    assert row.scores[0].found == 2
    with pytest.raises(SchemaError, match=r"expected a split of .*'test.split1'.*got 'train.split9' \[no-split\]"):
        of_split(data, split="test.split1", train_split="train.split9")
    with pytest.raises(SchemaError, match=r"expected other videos than those that are scored, got 'P1_tea', 'P2_tea'"):
        of_split(data, split="test.split1", train_split="test.split1")


def test_labels_of_train_videos_are_known_too(data: Path, tmp_path: Path) -> None:
    result = scored(written(tmp_path / "found.parquet", TEA), data, rate=str(RATE), split="test.split1")
    assert result.labels is not None
    assert result.labels.rows[0].accuracy_micro.mean == 1
    apart = scored(tmp_path / "found.parquet", written(tmp_path / "truth.parquet", TEA))
    assert apart.labels is not None
    known, unknown = ({row.name for row in one.labels.rows if row.kind == "chance"} for one in (result, apart))
    assert unknown < known


# --- lengths that differ ----------------------------------------------------------------------------------------


def of_energies(path: Path, pieces: Pieces, energies: Path | None = None) -> Path:
    """Write segments that say that they were made of energies."""
    made = labelled_segments(pieces)
    kept = made.header.provenance.parents
    file = energies or path.with_suffix(".made")
    if energies is None:
        file.write_text("energies\n")
    told = made.header.provenance.model_copy(update={"parents": (*kept, parent("energies", file))})
    formats.write(path, replace(made, header=made.header.model_copy(update={"provenance": told})))
    return path


def shorter(by_s: float) -> Pieces:
    return {name: [*pieces[:-1], (pieces[-1][0], pieces[-1][1] - by_s)] for name, pieces in TEA.items()}


@pytest.mark.parametrize("by_s", [0.25, WINDOW_SLACK_S])
def test_segments_of_energies_may_end_before_their_video(truth: Path, tmp_path: Path, by_s: float) -> None:
    result = scored(of_energies(tmp_path / "found.parquet", shorter(by_s)), truth)
    assert [score.macro.f for score in result.boundaries.rows[0].scores] == [1.0] * 5
    # Where what was looked at ends is no boundary of the prediction; the time of the truth is what is scored.
    assert result.boundaries.policies == {}
    assert [(video.start_s, video.end_s) for video in result.boundaries.videos] == [(0.0, 6.0), (0.0, 8.0)]
    assert result.labels is not None
    assert result.labels.rules.length == "pad"


def test_others_and_longer_ones_may_not(truth: Path, tmp_path: Path) -> None:
    plain = written(tmp_path / "plain.parquet", shorter(0.25))
    both = r"expected one time of the video, got 0.0 s to 5.75 s in found and 0.0 s to 6.0 s in truth"
    with pytest.raises(SchemaError, match=both) as error:
        scored(plain, truth)
    assert {problem.where for problem in error.value.problems} == {"truth: P1_tea", "truth: P2_tea"}
    made = of_energies(tmp_path / "made.parquet", shorter(0.25))
    with pytest.raises(SchemaError, match=r"\[spans-differ\]"):
        scored(made, truth, end_slack_s=0.0)
    far = of_energies(tmp_path / "far.parquet", shorter(WINDOW_SLACK_S + 0.125))
    with pytest.raises(SchemaError, match=r"got 0.0 s to 4.875 s in found and 0.0 s to 6.0 s in truth"):
        scored(far, truth)
    assert scored(far, truth, end_slack_s=1.125).boundaries.rows[0].scores[0].macro.f == 1
    assert scored(plain, truth, end_slack_s=0.25).boundaries.rows[0].scores[0].macro.f == 1


def test_what_ends_after_its_video_is_taken_for_its_end_and_counted(truth: Path, tmp_path: Path) -> None:
    result = scored(written(tmp_path / "long.parquet", shorter(-0.25)), truth, end_slack_s=0.25)
    assert result.boundaries.policies == {"found_past_the_end": 2}
    assert result.boundaries.rows[0].scores == scored(truth, truth).boundaries.rows[0].scores


def test_the_row_of_a_length_that_agrees_is_the_same_with_and_without_slack(truth: Path, tmp_path: Path) -> None:
    made, plain = of_energies(tmp_path / "made.parquet", TEA), written(tmp_path / "plain.parquet", TEA)
    one, other = scored(made, truth), scored(plain, truth)
    assert one.boundaries.rows == other.boundaries.rows
    assert one.boundaries.policies == other.boundaries.policies == {}


# --- the row of a constant energy -------------------------------------------------------------------------------


def energies_of(path: Path, steps: dict[str, int], seed: int = 0) -> Path:
    """Write measured energies, one each half second."""
    counts = list(steps.values())
    start = np.concatenate([np.arange(count) * 0.5 for count in counts])
    header = EnergiesHeader(
        provenance=sample_provenance(), per="step", source="velocity", mode="velocity_step",
        support_s=0.5, hop_s=0.5, videos=tuple(steps),
    )  # fmt: skip
    values = np.random.default_rng(seed).random(len(start))
    made = Energies(
        header, np.repeat(np.arange(len(counts)), counts), np.concatenate([np.arange(count) for count in counts]),
        start, start + 0.5, values, np.zeros(len(start), np.uint8),
    )  # fmt: skip
    formats.write(path, made)
    return path


STEPS = {"P1_tea": 12, "P2_tea": 16}


def by_machine(path: Path, energies: Path, machine: Any) -> Path:
    made = segment(formats.read(energies, Energies), machine, parents=[parent("energies", energies)])
    formats.write(path, made)
    return path


@pytest.mark.parametrize("threshold", [0.0, 0.6])
def test_a_constant_energy_goes_through_the_very_machine(truth: Path, tmp_path: Path, threshold: float) -> None:
    energies = energies_of(tmp_path / "e.jsonl", STEPS)
    machine = StateMachine(threshold=threshold, off_ratio=1.0, up_s=0.0, down_s=0.0, max_duration_s=1.5)
    found = by_machine(tmp_path / "found.parquet", energies, machine)
    result = scored(found, truth, energies)
    row = next(row for row in result.boundaries.rows if row.name == CONSTANT_ENERGY)
    assert row.kind == "chance"
    assert CONSTANT_ENERGY not in names(scored(found, truth))
    # Without gates or gaps it is a metronome of the longest duration, as loud as the threshold or louder.
    made = constant_energy_segments(formats.read(energies, Energies), machine, level=threshold)
    for video, steps in STEPS.items():
        cuts = periodic_boundaries((0.0, steps / 2), 1.5)
        np.testing.assert_allclose(made.end_s[made.of_video(video)][:-1], cuts)
    same = scored(written_of(tmp_path / "constant.parquet", made), truth)
    assert [one.macro.f for one in row.scores] == [one.macro.f for one in same.boundaries.rows[0].scores]
    assert [one.role for one in result.provenance.parents] == ["segments", "truth", "energies"]


def test_where_the_energies_end_is_no_boundary_of_a_constant_one(truth: Path, tmp_path: Path) -> None:
    """Regression: a row that cuts nowhere had a cut where its energies end, half a second before the video."""
    energies = energies_of(tmp_path / "e.jsonl", {video: steps - 1 for video, steps in STEPS.items()})
    found = by_machine(tmp_path / "found.parquet", energies, StateMachine(threshold=0.5))
    rows = {row.name: row for row in scored(found, truth, energies).boundaries.rows}
    assert rows["prediction"].scores[0].found > 0
    assert rows[CONSTANT_ENERGY].scores[0].found == 0


def written_of(path: Path, made: Segments) -> Path:
    formats.write(path, made)
    return path


def test_a_segmenter_without_a_threshold_has_that_row_too(truth: Path, tmp_path: Path) -> None:
    energies = energies_of(tmp_path / "e.jsonl", STEPS)
    found = by_machine(tmp_path / "found.parquet", energies, Uniform(period_s=2.0))
    rows = {row.name: row for row in scored(found, truth, energies).boundaries.rows}
    # It looks at no energy, so a constant one changes nothing: it is itself chance.
    assert [one.macro for one in rows[CONSTANT_ENERGY].scores] == [one.macro for one in rows["prediction"].scores]


def test_a_video_without_energies_has_no_constant_boundaries(truth: Path, tmp_path: Path) -> None:
    energies = energies_of(tmp_path / "e.jsonl", {"P1_tea": 12})
    machine = StateMachine(threshold=0.0, off_ratio=1.0, max_duration_s=2.0)
    found = by_machine(tmp_path / "found.parquet", energies, machine)
    with pytest.raises(SchemaError, match=r"found: P2_tea: expected the video, got none.*\[no-prediction\]"):
        scored(found, truth, energies)
    result = scored(found, truth, energies, missing="empty")
    assert result.boundaries.policies["missing_as_empty"] == 1
    rows = {row.name: row for row in result.boundaries.rows}
    # A cut at 2 and 4 s of the first, and none in the other.
    assert rows[CONSTANT_ENERGY].scores[0].found == 2


def part_of(path: Path, made: Segments, video: str) -> Path:
    """Write the segments of one video, with all that stands in the header."""
    rows = made.of_video(video)
    header = made.header.model_copy(update={"videos": tuple(one for one in made.header.videos if one.name == video)})
    formats.write(path, Segments(
        header, np.zeros(len(made.start_s[rows]), np.int64), made.start_s[rows], made.end_s[rows],
        tuple(np.array(made.end_reason)[rows]), (None,) * len(made.start_s[rows]),
    ))  # fmt: skip
    return path


def test_a_folder_of_segments_scores_as_the_one_file_that_it_was(truth: Path, tmp_path: Path) -> None:
    """Regression: of what its files were made was lost, and with it the slack at the end and the constant row."""
    energies = energies_of(tmp_path / "e.jsonl", {video: steps - 1 for video, steps in STEPS.items()})
    machine = StateMachine(threshold=0.5)
    found = by_machine(tmp_path / "found.parquet", energies, machine)
    made = formats.read(found, Segments)
    (tmp_path / "parts").mkdir()
    for video in STEPS:
        part_of(tmp_path / "parts" / f"{video}.parquet", made, video)
    one, several = scored(found, truth, energies), scored(tmp_path / "parts", truth, energies)
    assert CONSTANT_ENERGY in names(one)
    assert several.boundaries.rows == one.boundaries.rows
    # Of two segmenters, or of other energies each, there is no one energy that could be the same for all.
    other = energies_of(tmp_path / "f.jsonl", STEPS, seed=1)
    for used, threshold in ((energies, 0.7), (other, 0.5)):
        again = by_machine(tmp_path / f"{threshold}.parquet", used, StateMachine(threshold=threshold))
        (tmp_path / "parts" / "P2_tea.parquet").unlink()
        part_of(tmp_path / "parts" / "P2_tea.parquet", formats.read(again, Segments), "P2_tea")
        assert scored(tmp_path / "parts", truth).boundaries.rows[0].name == "prediction"
        with pytest.raises(SchemaError, match=r"expected segments that a segmenter has made, got .*\[no-segmenter\]"):
            scored(tmp_path / "parts", truth, energies)


def test_only_segments_of_these_energies_have_a_constant_row(truth: Path, tmp_path: Path) -> None:
    energies = energies_of(tmp_path / "e.jsonl", STEPS)
    with pytest.raises(SchemaError, match=r"expected segments that a segmenter has made, got annotations; leave"):
        scored(truth, truth, energies)
    found = by_machine(tmp_path / "found.parquet", energies, StateMachine(threshold=0.5))
    with pytest.raises(SchemaError, match=r"expected segments of the energies f.jsonl, got .*of other energies: e.j"):
        scored(found, truth, energies_of(tmp_path / "f.jsonl", STEPS, seed=1))


def test_fault_what_was_made_of_no_energy_says_so(truth: Path, tmp_path: Path) -> None:
    """Its own words were handed to a segmenter of the same name, which then refused them as keys it does not know."""
    energies = energies_of(tmp_path / "e.jsonl", STEPS)
    for word in (NamedPrediction("uniform", 2.0), NamedPrediction("random", 3)):
        with pytest.raises(
            SchemaError, match=rf"segments: .*got {word}, made of no energies; leave .*\[no-segmenter\]"
        ):
            scored(word, truth, energies)
    made = labelled_segments(TEA)
    path = tmp_path / "theirs.parquet"
    header = made.header.model_copy(update={"segmenter": Tool(name="theirs", version="1")})
    formats.write(path, replace(made, header=header))
    with pytest.raises(SchemaError, match=r"got those of 'theirs', which is none of ours; leave the energies out"):
        scored(path, truth, energies)


# --- videos of one side -----------------------------------------------------------------------------------------


def test_a_video_that_nobody_cut_is_refused_or_empty(truth: Path, tmp_path: Path) -> None:
    one = written(tmp_path / "one.parquet", {"P1_tea": TEA["P1_tea"]})
    with pytest.raises(SchemaError, match=r"found: P2_tea: expected the video, got none; predict it, or score it as"):
        scored(one, truth)
    result = scored(one, truth, missing="empty")
    assert result.boundaries.policies == {"missing_as_empty": 1}
    assert [(video.name, video.truth, video.found) for video in result.boundaries.videos] == [
        ("P1_tea", 2, 2), ("P2_tea", 2, 0),
    ]  # fmt: skip
    score = result.boundaries.rows[0].scores[0]
    # One right and one empty; 2 of 2 found, 2 of 4 true.
    assert (score.macro.f, score.micro.precision, score.micro.recall) == (0.5, 1.0, 0.5)
    assert result.labels is not None
    # What nobody labelled is background: 6 s of the first are right, and 1.5 s of the 8 of the other.
    assert result.labels.rows[0].accuracy_micro.mean == pytest.approx(7.5 / 14)


def test_a_video_that_nobody_knows_is_refused_or_left_out(truth: Path, tmp_path: Path) -> None:
    more = written(tmp_path / "more.parquet", {**TEA, **OTHERS})
    with pytest.raises(SchemaError, match=r"found: P3_tea: expected videos of the truth, got another") as error:
        scored(more, truth)
    assert [problem.code for problem in error.value.problems] == ["no-truth"] * 2
    result = scored(more, truth, extra="leave_out")
    assert result.boundaries.policies == {"without_truth_left_out": 2}
    assert result.boundaries.rows == scored(truth, truth).boundaries.rows


def test_a_split_says_which_videos_are_meant_and_counts_the_others(data: Path, tmp_path: Path) -> None:
    more = written(tmp_path / "more.parquet", {**TEA, **OTHERS})
    result = scored(more, data, rate=str(RATE), split="test.split1", extra="raise")
    assert result.boundaries.policies == {"without_truth_left_out": 2}
    # A split leaves out what is too much, and nothing that is too little.
    one = written(tmp_path / "one.parquet", {"P1_tea": TEA["P1_tea"]})
    with pytest.raises(SchemaError, match=r"found: P2_tea: .*\[no-prediction\]"):
        scored(one, data, rate=str(RATE), split="test.split1")


def test_sides_without_a_common_video_are_told_by_both_names(truth: Path, tmp_path: Path) -> None:
    other = written(tmp_path / "other.parquet", OTHERS)
    for options in ({}, {"missing": "empty", "extra": "leave_out"}):
        with pytest.raises(SchemaError, match=r"got 'P1_tea', 'P2_tea' in truth and 'P3_tea', 'P4_tea' in found"):
            scored(other, truth, **options)


# --- named predictions ------------------------------------------------------------------------------------------


@settings(max_examples=15)
@given(st.floats(0.05, 9, allow_subnormal=False))
def test_a_metronome_scores_what_its_file_scores(tmp_path_factory: pytest.TempPathFactory, period_s: float) -> None:
    folder = tmp_path_factory.mktemp("metronome")
    truth = written(folder / "truth.parquet", TEA)
    named = NamedPrediction("uniform", period_s)
    formats.write(folder / "found.parquet", named.segments(labelled_segments(TEA)))
    by_name, by_file = scored(named, truth, draws=1), scored(folder / "found.parquet", truth, draws=1)
    assert by_name.boundaries.rows == by_file.boundaries.rows
    assert by_name.detections == by_file.detections
    assert by_name.provenance.parameters["prediction"] == str(named)
    assert float(str(named).partition(":")[2]) == period_s
    assert "prediction" not in by_file.provenance.parameters


def test_fault_random_cuts_are_drawn_with_the_seed_that_the_record_says(truth: Path) -> None:
    """The word's own seed was taken, and that of the options was written down."""

    def cuts(word: int, told: int) -> list[tuple[int, ...]]:
        result = scored(NamedPrediction("random", 5, word), truth, seed=told, tolerances_s=(0.05, 0.1, 0.2, 0.4, 0.8))
        assert result.provenance.parameters["seed"] == told
        return [video.hits for video in result.boundaries.videos] + [
            (round(1e6 * (result.boundaries.rows[0].deviation.micro.truth_to_found_s or 0)),)  # type: ignore[union-attr]
        ]

    assert cuts(0, 7) == cuts(7, 7) == cuts(3, 7)
    assert cuts(7, 0) != cuts(7, 7)


def test_a_word_needs_no_length_but_that_of_the_truth(tmp_path: Path) -> None:
    table = tmp_path / "truth.csv"
    table.write_text("video,start_s,end_s\na,0,2\na,2,6\n")
    result = scored(NamedPrediction("uniform", 2.0), table)
    assert [(video.end_s, video.truth, video.found) for video in result.boundaries.videos] == [(6.0, 1, 2)]
    assert (result.labels, result.clock.rate, result.clock.origin) == (None, None, "seconds")


# --- what is told about the files -------------------------------------------------------------------------------


def test_each_note_is_told_once(data: Path, tmp_path: Path) -> None:
    (data / "mapping.txt").write_text("0 background\n1 pour\n")
    files = ScoredFiles(written(tmp_path / "found.parquet", TEA), data)
    options = EvaluateOptions(split="test.split1", rate=str(RATE), draws=2, shift_draws=2)
    result, notes = segment_scores(files, options)
    # The truth and the train split both have that label.
    assert [(note.code, note.severity) for note in notes] == [("unknown-labels", "warning")]
    assert "expected the classes of mapping.txt, got 'stir' too" in notes[0].message
    assert (str(result.clock.rate), result.clock.origin) == ("10", "told")


def test_a_rate_that_nobody_told_is_said_and_where_it_is_from(tmp_path: Path) -> None:
    root = write_labels(tmp_path / "data", {"S1_Tea_C1": [("take", 2.0), ("open", 1.0)]})
    with pytest.raises(SchemaError, match=r"expected frames per second, got none.*give --rate.*\[no-times\]"):
        scored(NamedPrediction("uniform", 1.0), root)
    classes = ["take", "open", "pour", "close", "shake", "scoop", "stir", "put", "fold", "spread", "background"]
    (root / "mapping.txt").write_text("".join(f"{at} {name}\n" for at, name in enumerate(classes)))
    files = ScoredFiles(NamedPrediction("uniform", 1.0), root)
    result, notes = segment_scores(files, EvaluateOptions(draws=2, shift_draws=2))
    assert str(result.clock.rate) == "15"
    assert "known by mapping.txt" in result.clock.origin
    assert [(note.code, note.severity) for note in notes] == [("known-rate", "info")]
    # 30 frames, at 15 of a second.
    assert result.boundaries.videos[0].end_s == 2.0


def test_activities_are_the_last_word_of_a_name(tmp_path: Path) -> None:
    videos: Pieces = {
        "P03_cam01_P03_tea": [("a", 2.0), ("b", 3.0)],
        "P04_cam01_P04_tea": [("b", 2.0), ("a", 3.0)],
        "P03_cam01_P03_milk": [("a", 4.0), ("b", 1.0)],
    }
    # Swapped in one activity alone: right where clusters are matched within an activity, half wrong over all.
    swapped = {"a": "b", "b": "a"}
    found: Pieces = {
        name: [(swapped[str(one)] if name.endswith("tea") else one, last) for one, last in pieces]
        for name, pieces in videos.items()
    }
    files = written(tmp_path / "found.parquet", found), written(tmp_path / "truth.parquet", videos)
    for scope, groups, right in (("video", 3, 1.0), ("activity", 2, 1.0), ("all", 1, 2 / 3)):
        clusters = scored(*files, clusters=scope).clusters
        assert clusters is not None
        assert len(clusters.groups) == groups
        assert clusters.rows[0].accuracy_micro.mean == pytest.approx(right)
    by_activity = scored(*files, clusters="activity").clusters
    assert by_activity is not None
    assert {group.name: group.videos for group in by_activity.groups} == {"milk": 1, "tea": 2}

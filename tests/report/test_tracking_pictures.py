"""Pictures of tracks: texts stand apart and on the paper, marks stand where the numbers say, gaps are no zeros."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import pytest

from lapsdata.report import _tracking_time as timed
from lapsdata.report import tracking_dashboard, tracking_frames, tracking_timeline
from lapsdata.report._sheet import INK, LEVEL
from lapsdata.report._tracking_numbers import MOST_TRACKERS, drawn_rows
from lapsdata.report._tracking_sheet import FN, FP, LEFT, ORACLE, TP, Page, TrackingSheet, colour_of
from lapsdata.report._tracking_tables import MOST_SEQUENCES, draw_sequences, sequence_table
from lapsdata.report.box_colours import id_colours
from lapsdata.report.tracking_alphas import draw_tracking_alphas
from lapsdata.report.tracking_bars import draw_tracking_losses, draw_tracking_overview
from lapsdata.report.tracking_confusion import draw_tracking_confusion
from lapsdata.report.tracking_dashboard import draw_tracking_dashboard
from lapsdata.report.tracking_frames import draw_tracking_frames
from lapsdata.report.tracking_pictures import draw_picture, picture_notes, tracking_pictures
from lapsdata.report.tracking_timeline import draw_tracking_timeline, most_tracks
from tests.metrics.tracks_by_trackeval import boxes_of
from tests.report.drawn_texts import drawn_texts
from tests.report.made_tracks import LONG, matched, scored, some_boxes

if TYPE_CHECKING:
    from collections.abc import Callable

    from lapsdata.containers import Boxes

OF_SCORES: tuple[Callable[..., np.ndarray], ...] = (
    draw_tracking_overview, draw_tracking_losses, draw_tracking_alphas, draw_tracking_confusion,
    draw_tracking_dashboard,
)  # fmt: skip
OVER_TIME: tuple[Callable[..., np.ndarray], ...] = (draw_tracking_frames, draw_tracking_timeline)


def rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)])


def painted(image: np.ndarray, colour: Any) -> np.ndarray:
    """Where a picture has exactly a colour: bool (height, width)."""
    return np.asarray((image == (rgb(colour) if isinstance(colour, str) else colour)).all(axis=-1))


def walk(frames: int, ids: dict[int, int], *, shift: float = 0.0, rows: int = 1) -> Boxes:
    """Tracks of equal places, in the frames and with the identity of each."""
    return boxes_of(
        {"a": [(f, i + 50 * k, 99.0 * k + shift, 9.0 * f, 30.0, 60.0) for f, i in ids.items() for k in range(rows)]},
        frames,
    )


def over_time(truth: Boxes, found: Boxes) -> Any:
    return matched(truth, {"ours": found})["a"]


@pytest.fixture(scope="module")
def crowded() -> tuple[Boxes, dict[str, Boxes]]:
    names = ["beach", LONG.format("of a beach")]
    truth = some_boxes(1, sequences=names, annotated=[(0, 10), (16, 30)], walking=5)
    trackers = {LONG.format(k): some_boxes(1, sequences=names, missed=k, changed=0.1) for k in (0.2,)}
    return truth, {**trackers, "nothing": boxes_of({name: [] for name in names}, 30)}


@pytest.mark.parametrize("draw", OF_SCORES)
def test_texts_of_scores_stand_apart_and_names_are_told_whole(
    draw: Callable[..., np.ndarray], crowded: tuple[Boxes, dict[str, Boxes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    truth, trackers = crowded
    drawn = drawn_texts(monkeypatch, draw, scored(truth, trackers), note="SYNTHETIC: made up")
    assert drawn.image.shape[1:] == (1440, 3)
    assert drawn.outside() == []
    assert drawn.upon_each_other() == []
    whole = " ".join(drawn.words)
    # Of nothing that was found a loss is what its rule says, and a score is none.
    assert ("1.000*" if draw is draw_tracking_losses else "undefined") in whole
    for number, name in enumerate(trackers, 1):
        # The confusion has room for all of it, and the others tell it in their foot.
        assert f"{number}  {name}" in whole or f"{number} {name}" in whole
    assert "SYNTHETIC: made up" in drawn.words
    assert (drawn.image[0] == rgb(LEVEL)).all()


@pytest.mark.parametrize("draw", OVER_TIME)
def test_texts_over_time_stand_apart_and_names_are_told_whole(
    draw: Callable[..., np.ndarray], crowded: tuple[Boxes, dict[str, Boxes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    truth, trackers = crowded
    names = {name: f"{number}  {name}" for number, name in enumerate(trackers, 1)}
    sequence = matched(truth, trackers)["beach"]
    drawn = drawn_texts(monkeypatch, draw, sequence, "object", names, note="SYNTHETIC", left=2)
    assert (drawn.outside(), drawn.upon_each_other()) == ([], [])
    assert "nobody annotated" in drawn.words
    assert "2 more trackers are not drawn." in drawn.words
    assert all(name in drawn.words or name.replace("  ", " ") in " ".join(drawn.words) for name in names.values())


@pytest.mark.parametrize(
    ("truth", "found", "kinds"),
    [
        (walk(1, {0: 1}), walk(1, {0: 1}), {"frames", "tracks"}),
        (walk(3, {}), walk(3, {0: 1}), {"metrics_overview", "frames", "tracks"}),
        (walk(3, {}), walk(3, {}), {"hota_over_alpha", "detection_confusion", "tracks"}),
    ],
    ids=["a single frame", "no truth", "no box"],
)
def test_the_least_there_can_be_is_drawn_as_well(
    truth: Boxes, found: Boxes, kinds: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    result, sequences = scored(truth, {"ours": found}), matched(truth, {"ours": found})
    texts = {}
    for picture in (one for one in tracking_pictures(result) if one.what in kinds):
        drawn = drawn_texts(monkeypatch, draw_picture, picture, result, sequences)
        assert (drawn.outside(), drawn.upon_each_other()) == ([], []), picture.path
        texts[picture.what] = drawn.words
    if not len(truth.frame):
        assert "no true track" in texts.pop("tracks")
        assert all("undefined" in " ".join(words) for words in texts.values())


def test_a_bar_is_as_long_as_its_score_and_chance_has_its_mark() -> None:
    truth, found = walk(10, dict.fromkeys(range(10), 1)), walk(10, dict.fromkeys(range(6), 1))
    result = scored(truth, {"ours": found})
    image = draw_tracking_overview(result)
    # Recall, 0.6: the fourth row of panels, the second one; 1 is the bar of the oracle below.
    ours, oracle = painted(image, colour_of(0)), painted(image, ORACLE)
    x = 2 * 390 + 210 + LEFT
    rows = np.flatnonzero(ours[:, x - 390 : x - 5].any(axis=1))
    panels = np.split(rows, np.flatnonzero(np.diff(rows) > 5) + 1)
    # DetA, MOTA, IDP, recall; no switch, which is no bar.
    recall = ours[panels[3], x - 390 : x - 5].sum(axis=1).max()
    below = slice(panels[3][-1] + 5, panels[3][-1] + 60)
    whole = oracle[below, x - 390 : x - 5].sum(axis=1).max()
    mark = painted(image, INK)[panels[3], x - 390 : x - 390 + 100].sum(axis=1).max()
    assert recall + mark == pytest.approx(0.6 * whole, abs=3)


def test_counts_over_time_have_their_heights_and_gaps_are_empty() -> None:
    truth = boxes_of(
        {"a": [(f, i, 99.0 * i, 0.0, 30.0, 60.0) for f in range(12) for i in range(4)]}, 12, annotated=[(0, 4), (8, 12)]
    )
    kept = [(f, i, 99.0 * i, 0.0, 30.0, 60.0) for f in range(12) for i in range(3)]
    # From frame 8 on nothing is matched: all of it lies elsewhere.
    found = boxes_of({"a": [row if row[0] < 8 else (*row[:3], 700.0, 30.0, 60.0) for row in kept]}, 12)
    sequence = over_time(truth, found)
    image = draw_tracking_frames(sequence, "object", {"ours": "ours"})
    x, across = tracking_frames._X, tracking_frames._ACROSS
    column = [round(x + across * (frame + 0.5) / 12) for frame in (1, 6, 10)]
    heights = {name: painted(image[120:], colour)[:, column].sum(axis=0) for name, colour in
               (("tp", TP), ("fn", FN), ("fp", FP))}  # fmt: skip
    one = heights["fn"][0]
    # The line of the overlap has the colour of matches.
    assert heights["tp"][0] == pytest.approx(3 * one, abs=6)
    assert heights["fp"][0] == 0
    assert [heights[name][1] for name in heights] == [0, 0, 0]
    assert heights["tp"][2] == 0
    assert (heights["fn"][2], heights["fp"][2]) == (pytest.approx(4 * one, abs=4), pytest.approx(3 * one, abs=4))
    # Frames that nobody annotated are hatched, over the whole height.
    hatched = (image[:, column[1] - 40 : column[1] + 40] != 255).any(axis=(1, 2)).sum()
    assert hatched >= tracking_frames._BOXES + tracking_frames._SWITCHES + tracking_frames._IOU


def test_a_track_has_the_colours_of_what_covers_it_and_marks_where_it_changes() -> None:
    truth = walk(10, dict.fromkeys(range(10), 1))
    found = walk(10, {0: 8, 1: 8, 2: 8, 5: 9, 6: 9, 7: 9})
    sequence = over_time(truth, found)
    image = draw_tracking_timeline(sequence, "object", {"ours": "ours"})
    x, across = tracking_timeline._X, tracking_timeline._ACROSS
    eight, nine = (painted(image, colour) for colour in id_colours(np.array([8, 9])))
    spans = [np.flatnonzero(one.any(axis=0)) for one in (eight, nine)]
    for span, (first, last) in zip(spans, ((0, 3), (5, 8)), strict=True):
        assert (span[0], span[-1]) == pytest.approx((x + across * first / 10, x + across * last / 10 - 1), abs=4)
    row = int(np.flatnonzero(eight.any(axis=1)).mean())
    gray = painted(image, np.array(tracking_timeline._PRESENT))[row - 8 : row + 8]
    at = [round(x + across * (frame + 0.5) / 10) for frame in range(10)]
    assert gray[:, at].any(axis=0).tolist() == [False] * 3 + [True] * 2 + [False] * 3 + [True] * 2
    mark = np.flatnonzero(painted(image, INK)[row, x : x + across])
    assert mark.mean() == pytest.approx(across * 5 / 10, abs=3)


def test_no_track_is_painted_where_there_is_no_true_box() -> None:
    truth, found = walk(10, {2: 1, 3: 1}), walk(10, {2: 1, 3: 1, 7: 1})
    image = draw_tracking_timeline(over_time(truth, found), "object", {"ours": "ours"})
    x, across = tracking_timeline._X, tracking_timeline._ACROSS
    columns = np.flatnonzero(painted(image, id_colours(np.array([1]))[0]).any(axis=0))
    assert (columns[0], columns[-1]) == pytest.approx((x + 0.2 * across, x + 0.4 * across), abs=3)
    # The box that is on no true one is told below.
    false = painted(image[-140:], FP)[:, x : x + across].any(axis=0)
    assert np.flatnonzero(false).mean() == pytest.approx(0.75 * across, abs=3)


def test_of_many_tracks_the_longest_are_drawn_and_the_others_told(monkeypatch: pytest.MonkeyPatch) -> None:
    count = most_tracks(1) + 5
    truth = boxes_of(
        {"a": [(f, i, 40.0 * i, 0.0, 30.0, 60.0) for f in range(9) for i in range(count) if i >= 5 * f]}, 9
    )
    sequences, result = matched(truth, {"ours": truth}), scored(truth, {"ours": truth})
    drawn = drawn_texts(monkeypatch, draw_tracking_timeline, sequences["a"], "object", {"ours": "ours"})
    assert (drawn.outside(), drawn.upon_each_other()) == ([], [])
    told = [int(word.removeprefix("id ")) for word in drawn.words if word.startswith("id ")]
    assert told == list(range(5, count))
    assert f"object in 9 frames, the first is 1; the {count - 5} longest of {count} true tracks" in drawn.words
    notes = picture_notes(result, sequences)
    assert [(note.code, note.severity) for note in notes] == [("tracks-not-drawn", "info")]
    assert notes[0].message.startswith("5 true tracks not drawn in 1 picture: ")


def test_false_tracks_and_switches_that_are_not_drawn_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    truth = walk(6, dict.fromkeys(range(6), 1))
    rows = [(f, 7 if f < 3 else 8, 0.0, 9.0 * f, 30.0, 60.0) for f in range(6)]
    found = boxes_of({"a": [*rows, *((f, 40, 900.0, 9.0, 30.0, 60.0) for f in range(4)),
                            (0, 8, 700.0, 0.0, 30.0, 60.0)]}, 6)  # fmt: skip
    drawn = drawn_texts(monkeypatch, draw_tracking_timeline, over_time(truth, found), "object", {"ours": "ours"})
    facts = "100.0 % of 6 true boxes covered; 1 switch; 5 false boxes (4 by 1 identity that match nothing)"
    assert facts in drawn.words
    assert {"1 switch", "100 %", "id 1"} <= set(drawn.words)


def test_several_frames_share_a_column_of_a_long_sequence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timed, "MOST_COLUMNS", 8)
    truth, found = walk(20, dict.fromkeys(range(20), 1)), walk(20, {f: 1 + f // 10 for f in range(20)})
    sequence = over_time(truth, found)
    for draw in OVER_TIME:
        drawn = drawn_texts(monkeypatch, draw, sequence, "object", {"ours": "ours"})
        assert any(word.startswith("A column is 3 frames: ") for word in drawn.words)
    image = draw_tracking_timeline(sequence, "object", {"ours": "ours"})
    x, across = tracking_timeline._X, tracking_timeline._ACROSS
    second = np.flatnonzero(painted(image, id_colours(np.array([2]))[0]).any(axis=0))
    # The fourth column has one frame of the first and two of the second; the last is a cut one.
    assert (second[0], second[-1]) == pytest.approx((x + across * 9 / 20, x + across - 1), abs=4)


def test_frames_are_numbered_as_their_images_are(monkeypatch: pytest.MonkeyPatch) -> None:
    truth = walk(3, dict.fromkeys(range(3), 1))
    sequence = over_time(truth, truth)._replace(first_number=500)
    for draw in OVER_TIME:
        drawn = drawn_texts(monkeypatch, draw, sequence, "object", {"ours": "ours"})
        assert {"500", "501", "502"} <= set(drawn.words)
        assert not {"499", "503"} & set(drawn.words)
        assert any("3 frames, the first is 500" in word for word in drawn.words)


def test_where_nothing_is_a_true_negative_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    truth = walk(3, dict.fromkeys(range(3), 1))
    drawn = drawn_texts(monkeypatch, draw_tracking_confusion, scored(truth, {"ours": truth}))
    assert {"TP 3", "FN 0", "FP 0", "undefined", "100.0 % of true"} <= set(drawn.words)
    assert "A detector has no true negatives: where nothing is and nothing is found there is no box to count." in (
        drawn.words
    )
    assert not any(word.startswith("TN") for word in drawn.words)


def test_what_is_to_be_doubted_stands_on_the_dashboard(monkeypatch: pytest.MonkeyPatch) -> None:
    truth = walk(3, dict.fromkeys(range(3), 1))
    words = drawn_texts(monkeypatch, draw_tracking_dashboard, scored(truth, {"ours": truth})).words
    assert "to be doubted" in words
    assert "ours: all 3 matched boxes lie exactly on true ones" in words
    # Nine copies are too many to be listed.
    many = tracking_dashboard._doubts(scored(truth, {f"t{k}": truth for k in range(9)}))
    assert (many[0], many[-1]) == (
        "t0: all 3 matched boxes lie exactly on true ones",
        "and 1 more, which the command tells",
    )


def test_pictures_have_names_of_their_own_by_class_and_sequence() -> None:
    truth = some_boxes(2, frames=6, walking=1)
    single = [picture.path for picture in tracking_pictures(scored(truth, {"ours": truth}))]
    assert single == [
        "metrics_overview.png", "losses.png", "hota_over_alpha.png", "detection_confusion.png",
        "summary_dashboard.png", "frames/one.png", "frames/two.png", "tracks/one.png", "tracks/two.png",
    ]  # fmt: skip
    both = some_boxes(2, frames=6, walking=1, labels=("ball", "player"))
    several = [picture.path for picture in tracking_pictures(scored(both, {"ours": both}))]
    assert several == [*single[:5], *(f"classes/{name}/{path}" for name in ("ball", "player") for path in single)]


def test_trackers_and_sequences_that_are_not_drawn_are_counted() -> None:
    names = [f"s{k}" for k in range(MOST_SEQUENCES + 3)]
    truth = some_boxes(3, frames=4, walking=1, sequences=names)
    trackers = {f"t{k}": truth for k in range(MOST_TRACKERS + 2)}
    result = scored(truth, trackers)
    notes = {note.code: note.message for note in picture_notes(result, matched(truth, trackers))}
    assert notes == {
        "trackers-not-drawn": f"2 trackers not drawn: the first {MOST_TRACKERS} are",
        "sequences-not-drawn": "3 sequences not drawn over time: of each class those "
        f"{MOST_SEQUENCES} are in which the first tracker has the lowest HOTA",
    }
    paths = [picture.path for picture in tracking_pictures(result)]
    assert len(paths) == len(set(paths)) == 5 + 2 * MOST_SEQUENCES


def test_equal_results_are_equal_pictures_and_settings_of_others_do_not_matter() -> None:
    truth = walk(6, dict.fromkeys(range(6), 1), rows=2)
    found = replace(truth, x=truth.x + 4)
    result, sequences = scored(truth, {"ours": found}), matched(truth, {"ours": found})
    pictures = [one for one in tracking_pictures(result) if one.what in {"losses", "tracks"}]
    for picture in pictures:
        first = draw_picture(picture, result, sequences)
        with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "lines.linewidth": 9}):
            again = draw_picture(picture, result, sequences)
        np.testing.assert_array_equal(first, again)


def test_each_sequence_has_its_numbers_beside_the_most_trackers(monkeypatch: pytest.MonkeyPatch) -> None:
    truth = boxes_of({"a": [(0, 1, 0.0, 0.0, 9.0, 9.0)], "b": []}, 2)
    result = scored(truth, {f"t{k}": truth for k in range(MOST_TRACKERS)})
    table, labels = sequence_table(result, rows := drawn_rows(result), "object"), rows.labels
    with TrackingSheet(Page.of("title", "facts", 200)) as sheet:
        drawn = drawn_texts(monkeypatch, lambda: (draw_sequences(sheet, table, labels, 100), sheet.image())[1])
    assert (drawn.outside(), drawn.upon_each_other()) == ([], [])
    # What is undefined is no 0.
    assert (drawn.words.count("1.00"), drawn.words.count("-"), drawn.words.count("0.00")) == (18, 18, 0)

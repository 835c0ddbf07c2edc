"""Files as TrackEval writes them, held field by field against those that TrackEval itself has written."""

from __future__ import annotations

import csv
import math
from typing import TYPE_CHECKING

import pytest

from lapsdata.errors import SchemaError, StorageError
from lapsdata.metrics.tracking.evaluation import evaluate_tracking
from lapsdata.stages._tracking_exports import write_trackeval, write_tracking_csv
from lapsdata.stages.tracking import TrackingOptions, tracking_result
from lapsdata.stages.tracking_files import TrackEvalFolders
from tests.metrics.tracks_by_trackeval import boxes_of, random_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.metrics.tracks_by_trackeval import Row

FRAMES = 12
INFO = "[Sequence]\nname={name}\nimDir=img1\nframeRate=25\nseqLength={frames}\nimWidth=640\nimHeight=360\nimExt=.jpg\n"
SEQUENCES = ("MOT17-02-DPM", "MOT17-04-DPM", "MOT17-05-DPM")
# Pedestrians, a person on a vehicle, somebody who stands still, a car.
CLASSES = (1, 1, 1, 2, 7, 3)


def put(path: Path, lines: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def line_of(row: Row, end: str) -> str:
    frame, identity, *place = row
    return f"{frame + 1},{identity + 1},{','.join(f'{value:.3f}' for value in place)},{end}"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a benchmark of three sequences with people who are to be ignored, and two trackers, one of them empty."""
    root = tmp_path_factory.mktemp("benchmark")
    for n, name in enumerate(SEQUENCES):
        true = random_rows(n, FRAMES, 6, 80.0)
        ends = [f"{int((row[0] + row[1]) % 9 > 0)},{CLASSES[row[1]]},0.8" for row in true]
        folder = root / "gt" / "MOT17-train" / name
        put(folder / "gt" / "gt.txt", [line_of(row, end) for row, end in zip(true, ends, strict=True)])
        put(folder / "seqinfo.ini", [INFO.format(name=name, frames=FRAMES)])
        # A tracker that is mostly right, and one that has nothing in one sequence.
        near = [(frame, (identity + 3 * (frame > 6)) % 6, x + 1.5, y, w, h) for frame, identity, x, y, w, h in true]
        found = {"near": near[:-3], "wild": random_rows(n + 50, FRAMES, 5, 80.0) if n else []}
        for tracker, rows in found.items():
            path = root / "trackers" / "MOT17-train" / tracker / "data" / f"{name}.txt"
            put(path, [line_of(row, "0.9,-1,-1,-1") for row in rows])
    put(root / "gt" / "seqmaps" / "MOT17-train.txt", ["name", *SEQUENCES])
    return root


@pytest.fixture(scope="module")
def said(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Let TrackEval score and write."""
    import trackeval

    out = tmp_path_factory.mktemp("trackeval")
    quiet = {"PRINT_CONFIG": False}
    evaluator = trackeval.Evaluator(
        {
            **trackeval.Evaluator.get_default_eval_config(),
            **quiet,
            "PRINT_RESULTS": False,
            "TIME_PROGRESS": False,
            "DISPLAY_LESS_PROGRESS": True,
            "PLOT_CURVES": False,
            "BREAK_ON_ERROR": True,
            "LOG_ON_ERROR": None,
        }
    )
    data = trackeval.datasets.MotChallenge2DBox(
        {
            **quiet,
            "GT_FOLDER": str(root / "gt"),
            "TRACKERS_FOLDER": str(root / "trackers"),
            "OUTPUT_FOLDER": str(out),
            "BENCHMARK": "MOT17",
        }
    )
    metrics = trackeval.metrics
    evaluator.evaluate([data], [metrics.HOTA(), metrics.CLEAR(quiet), metrics.Identity(quiet)])
    return out


@pytest.fixture(scope="module")
def written(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("ours")
    result, _ = tracking_result(
        root / "gt", [root / "trackers"], TrackingOptions(profile="mot17", draws=10), folders=TrackEvalFolders()
    )
    write_trackeval(out, result)
    return out


def table(path: Path) -> list[list[str]]:
    with path.open(newline="") as stream:
        return list(csv.reader(stream, delimiter=" " if path.suffix == ".txt" else ","))


def test_files_are_called_as_trackeval_calls_them(said: Path, written: Path) -> None:
    files = [sorted(str(path.relative_to(folder)) for path in folder.rglob("*_*")) for folder in (said, written)]
    assert files[0] == files[1]
    assert files[1] == [
        f"{tracker}/pedestrian_{name}" for tracker in ("near", "wild") for name in ("detailed.csv", "summary.txt")
    ]


@pytest.mark.parametrize("tracker", ["near", "wild"])
def test_a_summary_is_the_same_to_the_letter(said: Path, written: Path, tracker: str) -> None:
    name = f"{tracker}/pedestrian_summary.txt"
    assert table(written / name) == table(said / name)
    assert (written / name).read_bytes() == (said / name).read_bytes()


@pytest.mark.parametrize("tracker", ["near", "wild"])
def test_details_have_the_same_columns_and_values(said: Path, written: Path, tracker: str) -> None:
    ours, theirs = (table(folder / tracker / "pedestrian_detailed.csv") for folder in (written, said))
    assert ours[0] == theirs[0]
    assert [row[0] for row in ours] == [row[0] for row in theirs] == ["seq", *SEQUENCES, "COMBINED"]
    for own, other in zip(ours[1:], theirs[1:], strict=True):
        for name, value, expected in zip(ours[0][1:], own[1:], other[1:], strict=True):
            assert float(value) == pytest.approx(float(expected), abs=1e-9), (own[0], name)


def test_the_benchmark_leaves_people_out(written: Path) -> None:
    rows = [dict(zip(*pair, strict=True)) for pair in [table(written / "near" / "pedestrian_summary.txt")]]
    assert 0 < int(rows[0]["GT_Dets"]) < 200
    assert 0 < float(rows[0]["HOTA"]) < 100


def test_folders_read_by_themselves_give_the_same(root: Path, written: Path, tmp_path: Path) -> None:
    options = TrackingOptions(profile="mot17", draws=10)
    result, _ = tracking_result(root / "gt", [root / "trackers"], options)
    write_trackeval(tmp_path, result)
    for path in sorted(written.rglob("*_*")):
        assert table(tmp_path / path.relative_to(written)) == table(path)


def test_several_classes_have_files_of_their_own(tmp_path: Path) -> None:
    rows = {"a": [(0, 1, 0, 0, 9, 9, "player"), (0, 2, 40, 0, 4, 4, "ball")]}
    result = evaluate_tracking(boxes_of(rows), {"ours": boxes_of(rows)})
    names = {path.name for path in write_trackeval(tmp_path, result)}
    assert names == {
        f"{name}_{end}"
        for name in ("ball", "player", "cls_comb_cls_av", "cls_comb_det_av")
        for end in ("summary.txt", "detailed.csv")
    }
    assert [row[0] for row in table(tmp_path / "ours" / "cls_comb_det_av_detailed.csv")] == ["seq", "COMBINED"]


def test_files_that_are_there_are_replaced_on_request_alone(tmp_path: Path) -> None:
    truth = boxes_of({"a": [(0, 1, 0, 0, 9, 9)]})
    result = evaluate_tracking(truth, {"ours": truth, "theirs": truth})
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "object_summary.txt").write_text("mine")
    with pytest.raises(StorageError, match=r"object_summary.txt"):
        write_trackeval(tmp_path, result)
    # Nothing is written where not all can be.
    assert not (tmp_path / "ours").exists()
    write_trackeval(tmp_path, result, overwrite=True)
    assert (tmp_path / "theirs" / "object_summary.txt").read_text().startswith("HOTA DetA")


def test_other_rules_are_not_trackevals(tmp_path: Path) -> None:
    truth = boxes_of({"a": [(0, 1, 0, 0, 9, 9)]})
    result = evaluate_tracking(truth, {"ours": truth}, rules="py-motmetrics")
    with pytest.raises(SchemaError, match="expected CLEAR by the rules of TrackEval, got those of py-motmetrics"):
        write_trackeval(tmp_path, result)


def test_a_spreadsheet_has_every_row(tmp_path: Path) -> None:
    truth, far = boxes_of({"a": [(0, 1, 0, 0, 9, 9)]}), boxes_of({"a": [(0, 1, 500, 0, 9, 9)]})
    result = evaluate_tracking(truth, {"ours": far}, rules="py-motmetrics")
    write_tracking_csv(tmp_path / "scores.csv", result)
    head, *rows = table(tmp_path / "scores.csv")
    first = dict(zip(head, rows[0], strict=True))
    assert (first["row"], first["sequence"], first["class"], first["CLR_FP"]) == ("ours", "a", "object", "1")
    # A mean of nothing is an empty cell, and no 0.
    assert first["MOTP"] == ""
    assert math.isclose(float(first["MOTA"]), -1)
    with pytest.raises(StorageError, match=r"scores.csv"):
        write_tracking_csv(tmp_path / "scores.csv", result)

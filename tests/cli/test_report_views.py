"""`lapsdata report views` beside `lapsdata report`: one verb, two things that it shows."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import typer
import typer.main

from lapsdata import console, formats
from lapsdata.cli.report import PLUGIN
from lapsdata.containers import HeldPixels
from lapsdata.errors import MissingExtraError, SchemaError
from lapsdata.testing.opv2v_scenes import Opv2vScene, write_opv2v
from lapsdata.testing.samples import sample_energies, sample_segments, sample_views
from tests.cli.one_verb import runner

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Ran

    Run = Callable[..., Ran]


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run the verb in this process, in a folder with views, a prediction whose cameras are 20 m off, and segments."""
    views = sample_views()
    poses = views.cam2world.copy()
    poses[:, 2, 3] += 20
    formats.write(tmp_path / "views.h5", views)
    formats.write(tmp_path / "pred.h5", dataclasses.replace(views, cam2world=poses))
    formats.write(tmp_path / "e.jsonl", sample_energies())
    formats.write(tmp_path / "s.parquet", sample_segments())
    monkeypatch.chdir(tmp_path)
    app = typer.Typer(add_completion=False)
    app.add_typer(PLUGIN, name="report")
    app.command("other")(lambda: None)
    return runner(app, monkeypatch, capsys, "report", prog_name="lapsdata")


def facts(text: str) -> dict[str, str]:
    names = (
        "page",
        "summary",
        "views",
        "sets",
        "mask",
        "depth RMSE",
        "depth",
        "matched",
        "pose RMSE",
        "scale RMSE",
        "compared",
    )
    found = {}
    for line in text.splitlines():
        name = next((one for one in (*names, "predicted mask") if line.startswith(f"{one} ")), None)
        if name is not None:
            found[name] = line.removeprefix(name).strip()
    return found


def test_views_are_shown_beside_a_prediction_and_told(report: Run, tmp_path: Path) -> None:
    done = report(
        "views", "views.h5", "--pred", "pred.h5", "--pose-source", "pred", "--views-out", "files", "--summary",
        "summary.json", "--out", "page.html", "--index", "0", "--index", "1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = facts(done.stdout)
    assert told["page"].startswith("page.html, ")
    assert told["views"] == f"files, {len(list((tmp_path / 'files').iterdir()))} files"
    assert told["sets"] == "2, 3 views"
    # Of the sample's 24 pixels 9 and 7 are not ambiguous; (1 - m) / m.
    assert told["mask"] == "mean 0.6667, suggested pos_weight 0.500"
    assert told["matched"] == "3, 0 missing"
    assert told["pose RMSE"] == "20.000 m, 0.000 deg (none)"
    assert told["depth RMSE"] == "0.000 m; 0.000 m with scale 1.0000 taken off"
    assert told["compared"] == "100.0% of the pixels with true depth"
    assert "warning" in done.stderr
    assert "cameras are 20.00 m off (root mean square), more than 10 m" in done.stderr
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["pose_source"], summary["errors"]["pose_rmse_m"]) == ("pred", 20.0)


def test_all_of_it_is_one_json_document(report: Run) -> None:
    done = report("views", "views.h5", "--pred", "pred.h5", "--align", "first_view", "--json")
    document = json.loads(done.stdout)
    assert done.returncode == 0
    assert document["page"].startswith("views_report.html, ")
    assert document["report"]["errors"]["pose_rmse_m"] == 0.0
    assert document["report"]["views"][0]["agent"] == "641"
    assert document["problems"] == []


def test_a_root_of_others_is_shown_with_its_depth(report: Run, tmp_path: Path) -> None:
    scene = Opv2vScene("train", "2021_08_22_21_41_24", ("641", "-1"), (69,), size=(16, 12))
    write_opv2v(tmp_path / "opv2v", [scene], depth_root=tmp_path / "depth")
    done = report("views", "opv2v", "--split", "train", "--agents", "1", "--depth-root", "depth", "--far", "30")
    assert done.returncode == 0, done.stderr
    assert facts(done.stdout)["sets"] == "1, 4 views"
    assert "of the pixels, sparse in 0 views" in facts(done.stdout)["depth"]
    assert "mask" not in facts(done.stdout)


def test_segments_are_reported_as_before(report: Run, tmp_path: Path) -> None:
    done = report("s.parquet", "--energies", "e.jsonl", "--out", "out")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "index.html").is_file()


def test_segments_in_a_file_called_views_are_spelled_with_its_folder(report: Run, tmp_path: Path) -> None:
    formats.write(tmp_path / "views", sample_segments(), format="segments_parquet")
    done = report("./views", "--energies", "e.jsonl", "--out", "out")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "told", "not_told"),
    [
        ((), "lapsdata report [OPTIONS]", "--pose-source"),
        (("views",), "lapsdata report views [OPTIONS]", "--energies"),
    ],
)
def test_each_has_help_of_its_own(report: Run, arguments: tuple[str, ...], told: str, not_told: str) -> None:
    done = report(*arguments, "--help")
    assert done.returncode == 0
    assert told in done.stdout
    assert not_told not in done.stdout


def test_the_help_of_segments_names_the_other_one(report: Run) -> None:
    assert "`lapsdata report views` shows views of cameras" in " ".join(report("--help").stdout.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--pose-source", "pred"), r"pose_source: expected a prediction .* give --pred FILE, or --pose-source gt"),
        (("--far", "0.5"), r"--far: expected .*1"),
        (("--split", "test"), r"views\.h5: expected one of the splits 'train', 'validate', got 'test'"),
        (("--index", "7"), r"views\.h5: expected sets 0 to 1, each once, got 7"),
        (("--depth-root", "files"), r"views\.h5: expected nothing to be said of views of ours, got depth_root"),
    ],
)
def test_what_cannot_be_shown_is_named(report: Run, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        report("views", "views.h5", *arguments)
    assert not (tmp_path / "views_report.html").exists()


def test_a_missing_root_is_a_problem_and_no_trace(lapsdata: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = lapsdata("report", "views", "nothing.h5")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "nothing.h5: cannot open: no such file or folder" in done.stderr
    assert "Traceback" not in done.stderr


def test_every_file_that_was_written_is_named_on_a_line_of_its_own(report: Run, tmp_path: Path) -> None:
    done = report(
        "views", "views.h5", "--views-out", "files", "--summary", "summary.json", "--index", "1", "--out", "p.html"
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    written = [line for line in lines[: lines.index("")] if line]
    there = {str(path.relative_to(tmp_path)) for path in (tmp_path / "files").iterdir()}
    assert set(written) == there | {"summary.json", "p.html"}
    assert len(written) == len(set(written))
    assert "files/validate_2021_09_09_13_20_58_000070_agent641_camera0_rgb.png" in written
    assert all((tmp_path / name).is_file() for name in written)


def test_names_of_files_are_those_that_the_help_tells(
    report: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a narrow screen names are cut.
    monkeypatch.setenv("COLUMNS", "200")
    told = report("views", "--help").stdout
    pattern = "SPLIT_SCENARIO_FRAME_agentAGENT_CAMERA_depth.npy"
    assert pattern in told
    assert report("views", "views.h5", "--views-out", "files").returncode == 0
    name = pattern
    for word, value in (
        *(("SPLIT", "train"), ("SCENARIO", "2021_08_22_21_41_24"), ("FRAME", "000069")),
        *(("AGENT", "641"), ("CAMERA", "camera0")),
    ):
        name = name.replace(word, value)
    assert (tmp_path / "files" / name).is_file()


def test_json_names_every_file_too(report: Run, tmp_path: Path) -> None:
    done = report("views", "views.h5", "--views-out", "files", "--out", "views_report.html", "--json")
    files = json.loads(done.stdout)["files"]
    assert files[-1] == "views_report.html"
    assert sorted(files[:-1]) == sorted(f"files/{path.name}" for path in (tmp_path / "files").iterdir())


def test_a_summary_alone_is_no_page_and_needs_no_plotly(
    report: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name for path in tmp_path.iterdir()}
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    done = report("views", "views.h5", "--pred", "pred.h5", "--summary", "summary.json")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} - before == {"summary.json"}
    assert "page" not in facts(done.stdout)
    assert facts(done.stdout)["pose RMSE"] == "20.000 m, 0.000 deg (none)"


@pytest.mark.parametrize(
    "arguments", [(), ("--out", "p.html", "--summary", "s.json"), ("--views-out", "f", "--summary", "s.json")]
)
def test_a_page_that_is_asked_for_needs_plotly(
    report: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    before = {path.name for path in tmp_path.iterdir()}
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    with pytest.raises(MissingExtraError, match="expected the package plotly"):
        report("views", "views.h5", *arguments)
    assert {path.name for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("outputs", [("--views-out", "v{}", "--summary", "s{}"), ("--views-out", "v{}")])
def test_files_of_views_have_their_page_beside_them_and_are_written_again_elsewhere(
    report: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outputs: tuple[str, ...]
) -> None:
    before = {path.name for path in tmp_path.iterdir()}
    for turn in ("1", "2"):
        monkeypatch.setattr(console, "_kept", None)
        chosen = [one.format(turn) for one in outputs]
        done = report("views", "views.h5", "--pred", "pred.h5", "--pose-source", "pred", *chosen)
        assert done.returncode == 0, done.stderr
        assert facts(done.stdout)["page"].startswith(f"v{turn}.html, ")
    there = {path.name for path in tmp_path.iterdir()} - before
    assert there == {one.format(turn) for one in (*outputs[1::2], "v{}.html") for turn in "12"}


def test_a_prediction_of_other_views_ends_with_a_problem_and_no_file(
    lapsdata: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    views = sample_views()
    formats.write(tmp_path / "views.h5", views)
    formats.write(tmp_path / "other.h5", dataclasses.replace(views, camera=("cam0",) * 3))
    done = lapsdata(
        "report", "views", tmp_path / "views.h5", "--pred", tmp_path / "other.h5", "--summary", tmp_path / "s.json"
    )
    assert done.returncode == 1
    told = " ".join(done.stderr.split())
    assert "[nothing-matched]" in told
    assert "no camera is in both: expected 'camera0', got 'cam0'" in told
    assert not (tmp_path / "s.json").exists()


def test_a_folder_of_files_is_shown_by_split_and_val_is_validate(report: Run, tmp_path: Path) -> None:
    (tmp_path / "around").mkdir()
    for place, split in enumerate(("train", "validate")):
        formats.write(tmp_path / "around" / f"{split}.h5", sample_views().take([place]))
    done = report("views", "around", "--split", "val", "--views-out", "files")
    assert done.returncode == 0, done.stderr
    assert facts(done.stdout)["sets"] == "1, 1 views"
    assert all(path.name.startswith("validate_") for path in (tmp_path / "files").iterdir())
    with pytest.raises(SchemaError, match=r"around: expected one of the splits 'train', 'validate', got 'test'"):
        report("views", "around", "--split", "test", "--out", "other.html")


def test_warnings_come_with_what_to_do_and_do_not_end_in_failure(report: Run, tmp_path: Path) -> None:
    views = sample_views()
    layers = {
        layer: tuple(
            np.asarray(views.read(layer, view)) * np.float32(1000 if layer == "depth" else 1)
            if views.present[layer][view]
            else None
            for view in range(3)
        )
        for layer in ("depth",)
    }
    only = {layer: has if layer == "depth" else np.zeros(3, bool) for layer, has in views.present.items()}
    formats.write(tmp_path / "mm.h5", dataclasses.replace(views, present=only, pixels=HeldPixels(layers)))
    done = report("views", "views.h5", "--pred", "mm.h5", "--summary", "s.json", "--index", "0", "--index", "1")
    assert done.returncode == 0
    told = " ".join(done.stderr.split())
    assert "predicted depth is 1000 times the true one" in told
    assert "divide it by 1000 where it is in another unit [depth-scale]" in told
    assert "1 of 3 true views have no depth" in told
    assert facts(done.stdout)["scale RMSE"] == "999.0000"

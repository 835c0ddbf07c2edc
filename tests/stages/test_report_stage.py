"""A report is whole or not there, is kept while nothing changes, and shows each video once."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import cv2
import numpy as np
import pytest

from lapsdata import formats
from lapsdata.containers import Energies, Segments
from lapsdata.errors import CorruptDataError, FormatTooNewError, SchemaError, StorageError, UnknownFormatError
from lapsdata.metrics import CHANCE_ROWS, TRAIN_ROWS, boundary_table, evaluate_boundaries, segmentation_table
from lapsdata.provenance import parent, path_digest
from lapsdata.report.timelines import draw_timeline
from lapsdata.report.tolerance_curve import draw_tolerance_curve
from lapsdata.schema import BoundaryResult, EnergiesHeader, SegmentationResult, SegmentedVideo, SegmentsHeader, Tool
from lapsdata.schema.base import canonical_json
from lapsdata.stages import report as stage
from lapsdata.stages._report_curve import CURVE_S
from lapsdata.stages._report_header import read_report
from lapsdata.stages.evaluate import EvaluateOptions, ScoredFiles, score_segments
from lapsdata.stages.report import PLUGIN, ReportOptions, write_report
from lapsdata.storage.seal import crc32c
from lapsdata.storage.sealed_json import read_sealed_json, write_sealed_json
from lapsdata.testing.samples import sample_provenance, sample_scores

NAMES = ("clip_a", "clip_b", "clip_c")


def energies(names: tuple[str, ...] = NAMES, **header: Any) -> Energies:
    """Forty values a video: every fifth is gated, the last of each is missing."""
    count = 40 * len(names)
    state = np.array([2 if i == 39 else 1 if i % 5 == 0 else 0 for i in range(40)] * len(names), np.uint8)
    values = np.where(state == 0, np.random.default_rng(0).random(count) * 10, np.nan)
    told: dict[str, Any] = {
        "provenance": sample_provenance(), "per": "step", "source": "velocity", "mode": "velocity_step",
        "support_s": 0.5, "hop_s": 0.5, "videos": names, **header,
    }  # fmt: skip
    starts = np.tile(np.arange(40) * 0.5, len(names))
    return Energies(
        EnergiesHeader(**told), np.repeat(np.arange(len(names)), 40), np.tile(np.arange(40), len(names)),
        starts, starts + 0.5, values, state,
    )  # fmt: skip


def segments(names: tuple[str, ...] = NAMES, *, parents: Any = (), first_s: float = 1.0) -> Segments:
    """Two segments a video but the last, which has none."""
    count = len(names) - 1
    header = SegmentsHeader(
        provenance=sample_provenance().model_copy(update={"parents": tuple(parents)}),
        videos=tuple(SegmentedVideo(name=name, end_s=20.0) for name in names),
        segmenter=Tool(name="state_machine", version="1", parameters={"threshold": 4.0, "off_ratio": 0.5}),
    )
    return Segments(
        header, np.repeat(np.arange(count), 2), np.tile([first_s, 8.0], count), np.tile([5.0, 15.5], count),
        ("threshold", "end_of_stream") * count, (None,) * 2 * count,
    )  # fmt: skip


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of `given`: to draw their scores by chance takes longer than most of the tests."""
    folder = tmp_path_factory.mktemp("made")
    formats.write(folder / "energies.jsonl", energies())
    formats.write(folder / "means.jsonl", energies(mode="velocity_mean"))
    made = segments(parents=[parent("energies", folder / "energies.jsonl")])
    formats.write(folder / "found.parquet", made)
    formats.write(folder / "truth.parquet", segments(("clip_c", "clip_b", "other"), first_s=2.0))
    ends = {name: np.array([2.0, 9.0]) for name in NAMES}
    result = evaluate_boundaries(
        ends, {name: np.array([2.5, 9.0]) for name in NAMES}, spans_s=dict.fromkeys(NAMES, (0.0, 20.0)), draws=3,
        provenance=sample_provenance().model_copy(update={"parents": (parent("segments", folder / "found.parquet"),)}),
    )  # fmt: skip
    write_sealed_json(folder / "scores.json", sample_scores(result))
    return folder


@pytest.fixture
def given(made_once: Path, tmp_path: Path) -> dict[str, Any]:
    """Files of a job that fit together: segments, two energies, a truth of two of the videos, scores."""
    folder = tmp_path / "given"
    shutil.copytree(made_once, folder)
    return {
        "segments": folder / "found.parquet",
        "energies": [folder / "energies.jsonl", folder / "means.jsonl"],
        "truth": folder / "truth.parquet",
        "scores": folder / "scores.json",
    }


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw nothing but a dot, where it does not matter what is drawn."""
    plain = cv2.imencode(".png", np.zeros((4, 6, 3), np.uint8))[1].tobytes()

    def dot(video: str, segments: Segments, energies: Any, truth: Segments | None, **look: Any) -> bytes:
        told = [video, segments.start_s.tolist(), len(energies), truth is None, look]
        return plain + json.dumps(told).encode()

    monkeypatch.setattr(stage, "timeline_png", dot)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def marks(folder: Path) -> dict[str, tuple[int, int]]:
    """What changes when anything is written again: inode and time of every file and folder."""
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in (folder, *sorted(folder.rglob("*")))}


class Page(HTMLParser):
    """What a page names: headings of videos, addresses, and the tags that it has."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.text = (folder / "index.html").read_text()
        self.headings: list[str] = []
        self.images: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.sizes: list[tuple[int, int]] = []
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.tags.append(tag)
        if tag == "h3":
            self.headings.append("")
        if tag == "img":
            self.images.append(unquote(str(told["src"])))
            self.sizes.append((int(str(told["width"])), int(str(told["height"]))))
        self.links += [str(told[name]) for name in ("href", "src") if name in told]

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] == "h3" and self.headings[-1] == "":
            self.headings[-1] = data


def test_a_folder_holds_timelines_scores_a_page_and_what_it_is(given: dict[str, Any], tmp_path: Path) -> None:
    output = write_report(tmp_path / "out", **given)
    assert (output.fate, output.path, output.made) == ("made", tmp_path / "out", True)
    files = tree(tmp_path / "out")
    assert sorted(files) == [
        "curve.png", "index.html", "report.json", "scores.json", "scores.txt",
        "timelines/clip_a.png", "timelines/clip_b.png", "timelines/clip_c.png",
    ]  # fmt: skip
    assert files["scores.json"] == given["scores"].read_bytes()
    result = SegmentationResult.parse(json.dumps({**json.loads(files["scores.json"]), "x-seal": "x"}))
    assert files["scores.txt"].decode() == segmentation_table(result) + "\n"
    told = {one["name"]: one["digest"] for one in json.loads(files["report.json"])["files"]}
    assert told == {name: path_digest(tmp_path / "out" / name) for name in files if name != "report.json"}
    header = output.content.header
    assert [(one.role, one.name) for one in header.provenance.parents] == [
        ("segments", "found.parquet"), ("energies", "energies.jsonl"), ("energies", "means.jsonl"),
        ("truth", "truth.parquet"), ("scores", "scores.json"),
    ]  # fmt: skip
    assert header.provenance.parameters == {"average": "macro", "longest_px": 4608, "note": None}
    counts = [(one.name, one.segments, one.truth, one.measured, one.gated, one.missing) for one in header.videos]
    assert counts == [("clip_a", 2, None, 31, 8, 1), ("clip_b", 2, 2, 31, 8, 1), ("clip_c", 0, 2, 31, 8, 1)]
    assert output.content.facts() == {"videos": "3, 2 with a truth", "segments": "4", "files": "8"}


def test_a_timeline_is_that_of_its_video(given: dict[str, Any], tmp_path: Path) -> None:
    write_report(tmp_path / "out", **given)
    found, truth = (formats.read(given[name], Segments) for name in ("segments", "truth"))
    measured = [formats.read(path, Energies) for path in given["energies"]]
    for name in NAMES:
        drawn = cv2.imread(str(tmp_path / "out" / "timelines" / f"{name}.png"))
        assert drawn is not None
        assert (drawn[..., ::-1] == draw_timeline(name, found, measured, truth)).all()


def test_without_truth_and_scores_there_are_none(given: dict[str, Any], tmp_path: Path) -> None:
    write_report(tmp_path / "out", segments=given["segments"], energies=given["energies"][:1])
    assert "scores.json" not in tree(tmp_path / "out")
    page = Page(tmp_path / "out")
    assert "Scores" not in page.text
    assert "true segment" not in page.text


def test_the_page_shows_each_video_once_and_needs_nothing_else(given: dict[str, Any], tmp_path: Path) -> None:
    write_report(tmp_path / "out", **given)
    page = Page(tmp_path / "out")
    assert page.headings == list(NAMES)
    assert page.images == ["curve.png", *(f"timelines/{name}.png" for name in NAMES)]
    assert set(page.links) == {*page.images, "scores.txt", "scores.json", "report.json"}
    assert all((tmp_path / "out" / link).is_file() for link in page.links)
    assert "script" not in page.tags
    for word in ("http:", "https:", "//", "url(", "@import", str(tmp_path), "\\"):
        assert word not in page.text, word
    for image, (width, height) in zip(page.images, page.sizes, strict=True):
        drawn = cv2.imread(str(tmp_path / "out" / image))
        assert drawn is not None
        assert drawn.shape[:2] == (2 * height, 2 * width)
    for path in (tmp_path / "out").glob("*.*"):
        assert str(tmp_path).encode() not in path.read_bytes()


@pytest.mark.usefixtures("quick")
def test_the_page_says_what_the_numbers_are(given: dict[str, Any], tmp_path: Path) -> None:
    write_report(tmp_path / "out", **given)
    text = Page(tmp_path / "out").text
    result = scores_in(given["scores"]).boundaries
    for row in result.rows:
        assert f"<th>{row.name}{' (oracle)' if row.kind == 'oracle' else ''}</th>" in text
        for score in row.scores:
            assert f"{score.macro.f:.3f}" in text
    table = boundary_table(result)
    assert table.splitlines()[-1].startswith("The prediction is not above chance at 5 s")
    assert table.splitlines()[-1] in text
    assert "4 segments in 3 videos" in text
    assert "2 segments, median 5.75 s, 11.5 s in all; ended by threshold 1, end of stream 1; boundary F 0.50" in text
    assert "0 segments; boundary F" in text
    assert "threshold 4" in text
    assert "120 rows of 3 videos (93 measured, 24 gated, 3 missing)" in text
    assert "prefers-color-scheme: dark" in text


@pytest.mark.usefixtures("quick")
def test_a_prediction_above_chance_is_said_to_be(given: dict[str, Any], tmp_path: Path) -> None:
    ends = {name: np.array([2.0, 9.0, 9.7]) for name in NAMES}
    result = evaluate_boundaries(
        ends, ends, spans_s=dict.fromkeys(NAMES, (0.0, 20.0)), tolerances_s=(0.1,), draws=3
    )  # fmt: skip
    given["scores"] = tmp_path / "good.json"
    write_sealed_json(given["scores"], sample_scores(result))
    write_report(tmp_path / "out", **given)
    text = Page(tmp_path / "out").text
    assert "above every row of chance at every tolerance" in text
    assert "not above chance" not in text


@pytest.fixture
def scored(given: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    """The files of a job whose scores `lapsdata evaluate` has taken, beside constant energy and a train split."""
    formats.write(tmp_path / "train.parquet", segments(("more", "most")))
    formats.write(tmp_path / "true.parquet", segments(first_s=2.0))
    given |= {"truth": tmp_path / "true.parquet", "scores": tmp_path / "taken.json"}
    files = ScoredFiles(given["segments"], given["truth"], given["energies"][0], tmp_path / "train.parquet")
    options = EvaluateOptions(draws=3, shift_draws=3, tolerances_s=(0.7, 1.0))
    taken, _ = score_segments(files, given["scores"], options)
    assert len(taken.content.boundaries.rows) > len(CHANCE_ROWS) + len(TRAIN_ROWS)
    return {**given, "train": tmp_path / "train.parquet"}


def scores_in(path: Path) -> SegmentationResult:
    return read_sealed_json(path, SegmentationResult)


@pytest.mark.usefixtures("quick")
def test_the_curve_is_taken_at_many_tolerances_where_all_files_are_there(
    scored: dict[str, Any], tmp_path: Path
) -> None:
    write_report(tmp_path / "out", **scored)
    few = scores_in(scored["scores"]).boundaries
    many = read_sealed_json(tmp_path / "out" / "curve.json", BoundaryResult)
    assert many.rules.tolerances_s == tuple(sorted({*CURVE_S, 0.7}))
    assert many.truth_digest == few.truth_digest
    # Every row, with the same value where both have one.
    for ours, theirs in zip(few.rows, many.rows, strict=True):
        assert (ours.name, ours.draws) == (theirs.name, theirs.draws)
        dense = {score.tolerance_s: score.macro for score in theirs.scores}
        assert {score.tolerance_s: score.macro for score in ours.scores}.items() <= dense.items()
    drawn = cv2.imread(str(tmp_path / "out" / "curve.png"))
    assert drawn is not None
    assert (drawn[..., ::-1] == draw_tolerance_curve(many)).all()
    page = Page(tmp_path / "out")
    assert {"curve.png", "curve.json"} <= set(page.links)
    assert "at 19 tolerances" in page.text
    assert write_report(tmp_path / "out", **scored).fate == "kept"


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("what", ["truth", "train", "of others", "other code"])
def test_otherwise_the_curve_is_that_of_the_scores(scored: dict[str, Any], tmp_path: Path, what: str) -> None:
    if what in scored:
        del scored[what]
    else:
        few = scores_in(scored["scores"])
        if what == "of others":
            made = few.provenance.model_copy(update={"parameters": {"draws": 3}})
            few = few.model_copy(update={"provenance": made})
        else:
            at = few.boundaries
            wrong = at.rows[0].scores[0].macro.model_copy(update={"f": 0.123})
            better = at.rows[0].scores[0].model_copy(update={"macro": wrong})
            first = at.rows[0].model_copy(update={"scores": (better, *at.rows[0].scores[1:])})
            few = few.model_copy(update={"boundaries": at.model_copy(update={"rows": (first, *at.rows[1:])})})
        write_sealed_json(scored["scores"], few, overwrite=True)
    write_report(tmp_path / "out", **scored)
    assert not (tmp_path / "out" / "curve.json").exists()
    drawn = cv2.imread(str(tmp_path / "out" / "curve.png"))
    assert drawn is not None
    assert (drawn[..., ::-1] == draw_tolerance_curve(scores_in(scored["scores"]).boundaries)).all()
    assert "At the 2 tolerances of the scores" in Page(tmp_path / "out").text


@pytest.mark.usefixtures("quick")
def test_a_single_tolerance_is_no_curve(given: dict[str, Any], tmp_path: Path) -> None:
    ends = {name: np.array([2.0, 9.0]) for name in NAMES}
    alone = evaluate_boundaries(ends, ends, spans_s=dict.fromkeys(NAMES, (0.0, 20.0)), tolerances_s=(1.0,), draws=3)
    write_sealed_json(tmp_path / "alone.json", sample_scores(alone))
    write_report(tmp_path / "out", **{**given, "scores": tmp_path / "alone.json"})
    assert "curve.png" not in tree(tmp_path / "out")
    assert "over tolerance" not in Page(tmp_path / "out").text


@pytest.mark.usefixtures("quick")
def test_a_train_split_that_no_score_knows_is_refused(scored: dict[str, Any], tmp_path: Path) -> None:
    files = ScoredFiles(scored["segments"], scored["truth"])
    score_segments(files, tmp_path / "without.json", EvaluateOptions(draws=3, shift_draws=3))
    with pytest.raises(SchemaError, match=r"scores: expected scores that were taken beside a train split, got none"):
        write_report(tmp_path / "out", **{**scored, "scores": tmp_path / "without.json"})
    formats.write(tmp_path / "train.parquet", segments(("much", "most")), overwrite=True)
    with pytest.raises(SchemaError, match=r"expected scores of the train train\.parquet, got scores of other train"):
        write_report(tmp_path / "out", **scored)


def test_a_note_stands_on_the_page_and_on_every_picture(given: dict[str, Any], tmp_path: Path) -> None:
    note = "SYNTHETIC: <not> GTEA"
    write_report(tmp_path / "plain", **given)
    write_report(tmp_path / "out", **given, options=ReportOptions(note=note))
    assert '<p class="note">SYNTHETIC: &lt;not&gt; GTEA</p>' in Page(tmp_path / "out").text
    assert (tmp_path / "out" / "scores.txt").read_text().splitlines()[0] == note
    for name in Page(tmp_path / "out").images:
        noted, plain = (cv2.imread(str(tmp_path / one / name)) for one in ("out", "plain"))
        assert noted is not None
        assert plain is not None
        assert noted.shape[0] == plain.shape[0] + 40, name
        assert (noted[2, :, ::-1] == (0xB8, 0x47, 0x5A)).all(), name


@pytest.mark.usefixtures("quick")
def test_tables_of_the_caller_stand_on_the_page_as_they_are(given: dict[str, Any], tmp_path: Path) -> None:
    tables = [("GTEA <split 1>", "row   F1\nours  0.5 & more\n"), ("Breakfast", "none")]
    write_report(tmp_path / "out", **given, tables=tables)
    page = Page(tmp_path / "out")
    assert "<h2>GTEA &lt;split 1&gt;</h2>" in page.text
    assert "<pre>row   F1\nours  0.5 &amp; more</pre>" in page.text
    assert page.text.index("<h2>Scores") < page.text.index("<h2>GTEA") < page.text.index("<h2>Breakfast")
    assert write_report(tmp_path / "out", **given, tables=tables).fate == "kept"
    assert write_report(tmp_path / "out", **given, tables=tables[:1]).fate == "changed"
    assert write_report(tmp_path / "out", **given).fate == "changed"
    assert "Breakfast" not in Page(tmp_path / "out").text


ODD = ("<script>alert(1)", "a&\"b'", "50% #1?x=y", "$x^{1$_\x85\u202e", "左" * 199 + "a", "左" * 199 + "b")


def test_names_of_others_stay_names(tmp_path: Path) -> None:
    formats.write(tmp_path / "e.jsonl", energies(ODD, mode="<b>mode</b>".replace("/", "")))
    formats.write(tmp_path / "s.parquet", segments(ODD))
    output = write_report(tmp_path / "out", segments=tmp_path / "s.parquet", energies=[tmp_path / "e.jsonl"])
    page = Page(tmp_path / "out")
    assert "script" not in page.tags
    assert "b" not in page.tags
    assert page.text.count("&lt;script&gt;alert(1)") == 1
    assert page.headings == [*ODD[:3], "$x^{1$_\\x85\\u202e", *ODD[4:]]
    assert page.images == [one.timeline for one in output.content.header.videos]
    assert sorted(page.images) == [name for name in sorted(tree(tmp_path / "out")) if name.endswith(".png")]
    assert len(set(page.images)) == len(ODD)
    again = write_report(tmp_path / "out", segments=tmp_path / "s.parquet", energies=[tmp_path / "e.jsonl"])
    assert again.fate == "kept"


def test_equal_inputs_give_equal_bytes(given: dict[str, Any], tmp_path: Path) -> None:
    write_report(tmp_path / "one", **given)
    # Other places, of which nothing tells.
    shutil.copytree(tmp_path / "given", tmp_path / "moved")
    moved = {name: tmp_path / "moved" / given[name].name for name in ("segments", "truth", "scores")}
    write_report(tmp_path / "two", **moved, energies=[tmp_path / "moved" / path.name for path in given["energies"]])
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


@pytest.mark.usefixtures("quick")
def test_what_is_done_is_kept_as_it_is(given: dict[str, Any], tmp_path: Path) -> None:
    made = write_report(tmp_path / "out", **given)
    before = marks(tmp_path / "out")
    (tmp_path / "out" / "note.txt").touch()
    before |= {str(path): marks(tmp_path / "out")[str(path)] for path in (tmp_path / "out", tmp_path / "out/note.txt")}
    again = write_report(tmp_path / "out", **given)
    assert (again.fate, again.made) == ("kept", False)
    assert marks(tmp_path / "out") == before
    assert again.content == made.content


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("what", ["segments", "options", "energies", "truth", "force"])
def test_what_has_changed_is_made_again(given: dict[str, Any], tmp_path: Path, what: str) -> None:
    del given["scores"]
    write_report(tmp_path / "out", **given)
    before = tree(tmp_path / "out")
    more: dict[str, Any] = {}
    if what == "segments":
        made = segments(parents=[parent("energies", given["energies"][0])], first_s=3.0)
        formats.write(given["segments"], made, overwrite=True)
    elif what == "options":
        more["options"] = ReportOptions(average="micro")
    elif what == "energies":
        given["energies"].pop()
    elif what == "truth":
        del given["truth"]
    else:
        more["force"] = True
    again = write_report(tmp_path / "out", **given, **more)
    assert again.fate == ("forced" if what == "force" else "changed")
    assert (tree(tmp_path / "out") == before) == (what == "force")
    assert write_report(tmp_path / "out", **given, **{**more, "force": False}).fate == "kept"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


DAMAGE = [(name, how) for name in ("index.html", "timelines/clip_b.png", "curve.png", "scores.json", "report.json")
          for how in ("flipped", "cut", "gone") if (name, how) != ("report.json", "gone")]  # fmt: skip


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("name", "how"), DAMAGE)
def test_damage_is_seen_said_and_mended(given: dict[str, Any], tmp_path: Path, name: str, how: str) -> None:
    write_report(tmp_path / "out", **given)
    before, target = tree(tmp_path / "out"), tmp_path / "out" / name
    content = bytearray(target.read_bytes())
    if how == "flipped":
        content[len(content) // 2] ^= 1
        target.write_bytes(content)
    elif how == "cut":
        # A report.json tells its format after its files.
        target.write_bytes(content[: len(content) * 9 // 10])
    else:
        target.unlink()
    again = write_report(tmp_path / "out", **given)
    assert again.fate == "damaged"
    assert Path(name).name in again.why
    assert tree(tmp_path / "out") == before


@pytest.mark.usefixtures("quick")
def test_every_bit_of_the_header_counts(given: dict[str, Any], tmp_path: Path) -> None:
    """A flip in `report.json` is damage, or makes it a folder of others; it is never taken for whole."""
    out = tmp_path / "out"
    write_report(out, **given)
    whole = (out / "report.json").read_bytes()
    for bit in range(0, 8 * len(whole), 8 * len(whole) // 60):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << (bit % 8)
        (out / "report.json").write_bytes(content)
        try:
            read_report(out)
        except (CorruptDataError, UnknownFormatError, FormatTooNewError):
            continue
        pytest.fail(f"bit {bit} was not seen")


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("what", ["folder", "empty", "file", "header", "newer", "link"])
def test_what_others_have_made_is_left_alone(given: dict[str, Any], tmp_path: Path, what: str) -> None:
    out = tmp_path / "out"
    if what == "file":
        out.write_text("mine")
    elif what == "link":
        out.symlink_to(tmp_path / "nowhere")
    else:
        out.mkdir()
    if what == "folder":
        (out / "index.html").write_text("mine")
    elif what == "header":
        (out / "report.json").write_text('{"format": "of others"}')
    elif what == "newer":
        document = {"format": "lapsdata.report", "format_version": "2.0"}
        seal = {"x-seal": f"crc32c:{crc32c(canonical_json({**document})):08x}"}
        (out / "report.json").write_text(json.dumps({**document, **seal}))
    before = {} if out.is_symlink() else marks(out)
    for force in (False, True):
        with pytest.raises(StorageError, match=r"got something else .*: it is left as it is"):
            write_report(out, **given, force=force)
    assert ({} if out.is_symlink() else marks(out)) == before
    assert out.is_symlink() == (what == "link")


@pytest.mark.usefixtures("quick")
def test_what_was_added_to_a_report_is_not_lost(given: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_report(out, **given)
    (out / "note.txt").write_text("mine")
    (out / "timelines" / "note.txt").write_text("mine")
    before = tree(out)
    del given["truth"]
    with pytest.raises(StorageError, match=r"a report alone, got note\.txt, note\.txt too; move them away"):
        write_report(out, **given)
    assert tree(out) == before


def test_a_report_that_is_stopped_leaves_what_was_there(
    given: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, drawn = stage.timeline_png, []

    def stopped(video: str, *arguments: Any, **more: Any) -> bytes:
        drawn.append(video)
        if len(drawn) == 2:
            raise KeyboardInterrupt
        return plain(video, *arguments, **more)

    for there in (False, True):
        if there:
            write_report(tmp_path / "out", **given)
            del given["truth"]
        before = tree(tmp_path)
        drawn.clear()
        with monkeypatch.context() as patch:
            patch.setattr(stage, "timeline_png", stopped)
            with pytest.raises(KeyboardInterrupt, match=r"^$"):
                write_report(tmp_path / "out", **given)
        assert tree(tmp_path) == before
        assert (tmp_path / "out").exists() == there


KILLED = """
import os, signal, sys
from pathlib import Path
from lapsdata.schema.base import canonical_json
from lapsdata.stages import report as stage
plain = stage.timeline_png
def killed(video, *arguments, **more):
    if video == "clip_b":
        os.kill(os.getpid(), signal.SIGKILL)
    return plain(video, *arguments, **more)
stage.timeline_png = killed
stage.write_report(Path(sys.argv[1]), segments=Path(sys.argv[2]), energies=[Path(sys.argv[3])])
"""


def test_a_report_that_is_killed_is_not_there(given: dict[str, Any], tmp_path: Path) -> None:
    told = [str(tmp_path / "out"), str(given["segments"]), str(given["energies"][0])]
    done = subprocess.run([sys.executable, "-c", KILLED, *told], capture_output=True, check=False, cwd=tmp_path)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not (tmp_path / "out").exists()
    # What is left is hidden, and never taken for a report.
    assert [path.name[:14] for path in tmp_path.iterdir() if path.name != "given"] == [".lapsdata-tmp-"]
    assert write_report(tmp_path / "out", segments=given["segments"], energies=given["energies"][:1]).fate == "made"


@pytest.mark.usefixtures("quick")
def test_files_that_do_not_belong_together_are_named(given: dict[str, Any], tmp_path: Path) -> None:
    formats.write(tmp_path / "few.jsonl", energies(("clip_a", "clip_x")))
    formats.write(tmp_path / "none.jsonl", energies(("clip_x", "clip_y")))
    told = r"got some without 'clip_b', 'clip_c', and also 'clip_x'; measure the videos that were segmented"
    with pytest.raises(SchemaError, match=rf"(?s)energies .*few\.jsonl: expected energies of the videos .*, {told}"):
        write_report(tmp_path / "out", segments=given["segments"], energies=[tmp_path / "few.jsonl"])
    with pytest.raises(SchemaError, match=r"energies .*none\.jsonl: .*, and also 'clip_x', 'clip_y'"):
        write_report(
            tmp_path / "out", segments=given["segments"], energies=[*given["energies"], tmp_path / "none.jsonl"]
        )
    with pytest.raises(SchemaError, match=r"segments: .* of the energies means\.jsonl, got .*: energies\.jsonl;"):
        write_report(tmp_path / "out", segments=given["segments"], energies=given["energies"][::-1])
    formats.write(tmp_path / "found.parquet", segments(first_s=0.5))
    with pytest.raises(SchemaError, match=r"expected scores of the segments found\.parquet, got scores of other"):
        write_report(tmp_path / "out", **{**given, "segments": tmp_path / "found.parquet"})
    formats.write(tmp_path / "truth.parquet", segments(("x", "y")))
    with pytest.raises(SchemaError, match=r"truth .*: expected one of 'clip_a', 'clip_b', 'clip_c', got none of them"):
        write_report(tmp_path / "out", **{**given, "truth": tmp_path / "truth.parquet"})
    with pytest.raises(SchemaError, match="energies: expected at least one file, got none"):
        write_report(tmp_path / "out", segments=given["segments"], energies=[])
    with pytest.raises(StorageError, match=r"no\.parquet: .*got nothing"):
        write_report(tmp_path / "out", **{**given, "truth": tmp_path / "no.parquet"})
    assert not (tmp_path / "out").exists()


def test_energies_beside_may_be_of_fewer_videos_or_of_more(given: dict[str, Any], tmp_path: Path) -> None:
    formats.write(tmp_path / "few.jsonl", energies(("clip_b", "clip_x"), source="quantized", mode="token_diff_step"))
    told = {"segments": given["segments"], "energies": [given["energies"][0], tmp_path / "few.jsonl"]}
    write_report(tmp_path / "out", **told)
    page = Page(tmp_path / "out")
    assert page.headings == list(NAMES)
    # Where there is nothing to show there is no panel.
    heights = [height for _, height in page.sizes]
    assert heights[0] == heights[2] < heights[1]
    assert "80 rows of 2 videos" in page.text


@pytest.mark.usefixtures("quick")
def test_a_folder_that_cannot_be_made_is_a_storage_error(given: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot write: no such file or folder"):
        write_report(tmp_path / "absent" / "out", **given)


@pytest.mark.usefixtures("quick")
def test_a_truth_may_be_a_table(given: dict[str, Any], tmp_path: Path) -> None:
    table = tmp_path / "truth.csv"
    table.write_text("video,start_s,end_s,label\nclip_a,1,4,pick\nclip_a,5,9,place\n")
    output = write_report(tmp_path / "out", segments=given["segments"], energies=given["energies"], truth=table)
    assert [one.truth for one in output.content.header.videos] == [2, None, None]


@pytest.mark.usefixtures("quick")
def test_a_metronome_is_told_each_time(given: dict[str, Any], tmp_path: Path) -> None:
    made = formats.read(given["segments"], Segments)
    formats.write(tmp_path / "m.parquet", replace(made, end_reason=("max_duration",) * len(made)))
    for _ in range(2):
        output = write_report(tmp_path / "out", segments=tmp_path / "m.parquet", energies=given["energies"])
        assert [problem.code for problem in output.content.problems] == ["metronome"]
    assert "4 of 4 segments (100 %) end by max_duration" in Page(tmp_path / "out").text


@pytest.mark.usefixtures("quick")
def test_progress_is_told(given: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_report(tmp_path / "out", **given)
    assert "report: done: 3/3 videos" in capsys.readouterr().err


@pytest.mark.usefixtures("quick")
def test_segments_of_no_video_are_a_report_too(tmp_path: Path) -> None:
    formats.write(tmp_path / "e.jsonl", energies(("a",)))
    nothing = segments(("a",))
    formats.write(tmp_path / "s.parquet", nothing)
    output = write_report(tmp_path / "out", segments=tmp_path / "s.parquet", energies=[tmp_path / "e.jsonl"])
    assert output.content.facts()["segments"] == "0"
    assert "0 segments in 1 video" in Page(tmp_path / "out").text


def test_a_recipe_may_tell_how_it_looks() -> None:
    assert (PLUGIN.name, PLUGIN.default) == ("report", "timelines")
    assert set(PLUGIN.fields("timelines")) == {"average", "longest_px", "note"}
    assert PLUGIN.told("timelines", {"average": "micro"}) == {"average": "micro", "longest_px": 4608, "note": None}
    for wrong in ({"longest_px": 100}, {"average": "mean"}, {"colour": "red"}):
        with pytest.raises(SchemaError, match=r"report(\.colour|: longest_px|: average)"):
            PLUGIN.options("timelines", wrong)

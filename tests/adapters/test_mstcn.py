"""Labels per frame: every dialect of the files, splits, and what is wrong with them."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lapsdata
from lapsdata._convert import convert
from lapsdata.adapters import find_adapter, read_adapted
from lapsdata.adapters._known_rates import known_rate
from lapsdata.adapters.mstcn import PLUGIN, read, read_split
from lapsdata.containers import Segments
from lapsdata.errors import SchemaError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

SAMPLES = Path(__file__).parents[1] / "samples" / "mstcn"


def data_set(folder: Path, **files: str) -> Path:
    (folder / "groundTruth").mkdir(parents=True)
    for name, text in files.items():
        (folder / "groundTruth" / f"{name}.txt").write_text(text)
    return folder


def rows(segments: Any) -> list[tuple[str, float, float, str]]:
    names = [video.name for video in segments.header.videos]
    return [
        (names[at], start, end, label)
        for at, start, end, label in zip(
            segments.video_index.tolist(),
            segments.start_s.tolist(),
            segments.end_s.tolist(),
            segments.label,
            strict=True,
        )
    ]


def test_runs_of_labels_are_segments() -> None:
    segments = read(SAMPLES, rate=2).container
    assert isinstance(segments, Segments)
    assert rows(segments) == [
        ("V1_Box", 0.0, 1.5, "rest"),
        ("V1_Box", 1.5, 4.0, "lift"),
        ("V1_Box", 4.0, 5.0, "turn"),
        ("V1_Box", 5.0, 6.0, "rest"),
        ("V2_Box", 0.0, 2.0, "lift"),
        ("V2_Box", 2.0, 5.0, "rest"),
    ]
    assert [video.end_s for video in segments.header.videos] == [6.0, 5.0]
    assert not segments.header.overlap


@given(labels=st.lists(st.sampled_from("abc"), min_size=1, max_size=30))
def test_every_frame_is_in_the_segment_of_its_label(
    labels: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = data_set(tmp_path_factory.mktemp("mstcn"), one="\n".join(labels) + "\n")
    found = rows(read(folder, rate=15).container)
    middles = (np.arange(len(labels)) + 0.5) / 15
    inside = [next(label for _, start, end, label in found if start <= time < end) for time in middles]
    assert inside == labels
    assert all(a[3] != b[3] and a[2] == b[1] for a, b in itertools.pairwise(found))


@pytest.mark.parametrize(
    ("split", "video"), [("test.split1", "V2_Box"), ("train.split1", "V1_Box")], ids=["plain", "bundle"]
)
def test_a_split_is_its_videos(split: str, video: str) -> None:
    segments: Any = read(SAMPLES, rate=2, split=split).container
    assert [one.name for one in segments.header.videos] == [video]
    assert read(SAMPLES / "groundTruth", rate=2, split=split).container.header.videos == segments.header.videos


def test_a_split_keeps_its_order(tmp_path: Path) -> None:
    folder = data_set(tmp_path, a="x\n", b="x\n")
    (folder / "splits").mkdir()
    (folder / "splits" / "all.bundle").write_text("b\na.txt\n")
    segments: Any = read(folder, rate=1, split="all").container
    assert [video.name for video in segments.header.videos] == ["b", "a"]


def test_a_file_without_a_last_line_break_has_a_last_frame(tmp_path: Path) -> None:
    folder = data_set(tmp_path, a="x\ny", b="x\r\ny\r\n")
    assert [row[1:] for row in rows(read(folder, rate=1).container)] == [(0, 1, "x"), (1, 2, "y")] * 2


def test_results_are_read_alone_and_as_a_folder(tmp_path: Path) -> None:
    for name in ("V1", "V2"):
        (tmp_path / name).write_text("### Frame level recognition: ###\nlift lift turn")
    for path, videos in ((tmp_path / "V1", ["V1"]), (tmp_path, ["V1", "V2"])):
        found = find_adapter(path)
        assert found is not None
        assert (found[0].name, found[1]) == ("mstcn", "segments")
        got = rows(read(path, rate=1).container)
        assert got == [(name, *row) for name in videos for row in ((0.0, 2.0, "lift"), (2.0, 3.0, "turn"))]


def test_it_is_converted_and_read_back(tmp_path: Path) -> None:
    convert(SAMPLES, tmp_path / "truth.parquet", rate="15")
    back = lapsdata.read(tmp_path / "truth.parquet", Segments)
    assert rows(back) == rows(read(SAMPLES, rate=15).container)
    assert set(back.end_reason) == {"annotation"}


def test_labels_that_the_mapping_does_not_have_are_told(tmp_path: Path) -> None:
    folder = data_set(tmp_path, a="lift\nlfit\n")
    (folder / "mapping.txt").write_text("0 lift\n1 turn\n")
    (note,) = read(folder, rate=1).notes
    assert (note.code, note.severity) == ("unknown-labels", "warning")
    assert "got 'lfit' too" in note.message
    assert read(SAMPLES, rate=1).notes == ()


BAD: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no rate": (lambda at: read(data_set(at, a="x\n")), "expected frames per second, got none"),
    "an empty line": (
        lambda at: read(data_set(at, a="x\n\ny\n"), rate=1),
        r"a\.txt: line 2: expected a label per line",
    ),
    "an empty file": (lambda at: read(data_set(at, a=""), rate=1), r"a\.txt: expected the label of each frame"),
    "long lines": (lambda at: read(data_set(at, a="x" * 200), rate=1), "line 1: expected a label per line"),
    "a stride": (
        lambda at: read_adapted(PLUGIN, data_set(at, a="x\n"), {"rate": 1, "stride": 4}),
        "expected rate or split to be said beside it, got stride; leave it out: .* the files of mstcn",
    ),
    "ranges": (
        lambda at: read(data_set(at, a="1-30 SIL\n31-40 take\n"), rate=1),
        r"line 1: expected a label per line, got a range of frames: '1-30 SIL'; copy such files to a folder",
    ),
    "nobody": (lambda at: read(data_set(at), rate=1), "expected a file of labels per video, got none"),
    "a split of one": (
        lambda at: read(data_set(at, a="x\n") / "groundTruth" / "a.txt", rate=1, split="s"),
        "expected no split of a single video",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_wrong_is_named(what: str, tmp_path: Path) -> None:
    reading, message = BAD[what]
    with pytest.raises(SchemaError, match=message):
        reading(tmp_path / "data")


def test_every_bad_file_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"a\.txt") as raised:
        read(data_set(tmp_path / "data", a="x\n\n\ny\n", b="", c="x\n"), rate=1)
    assert [problem.code for problem in raised.value.problems] == ["wrong-label", "no-labels"]


def test_splits_that_do_not_fit_are_named(tmp_path: Path) -> None:
    folder = data_set(tmp_path, a="x\n")
    (folder / "splits").mkdir()
    (folder / "splits" / "one.bundle").write_text("a.txt\nb.txt\n")
    with pytest.raises(SchemaError, match="expected labels of every video of one, got none of 'b'"):
        read(folder, rate=1, split="one")
    with pytest.raises(SchemaError, match=r"expected a split of .*splits, 'one', got 'two'"):
        read(folder, rate=1, split="two")
    with pytest.raises(StorageError, match=r"nine\.bundle: cannot read: no such file"):
        read_split(folder / "splits" / "nine.bundle")
    for text, message in (("#bundle\n", "expected a video per line, got none"), ("a\na.txt\n", "got 'a' again")):
        (folder / "splits" / "bad.bundle").write_text(text)
        with pytest.raises(SchemaError, match=message):
            read_split(folder / "splits" / "bad.bundle")


@pytest.mark.parametrize("name", ["a.txt", "a", "notes.md"])
def test_other_text_is_not_taken_for_labels(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("x\ny\n")
    assert find_adapter(tmp_path / name) is None
    assert find_adapter(tmp_path) is None


GTEA = ["take", "open", "pour", "close", "shake", "scoop", "stir", "put", "fold", "spread", "background"]


@pytest.mark.parametrize("place", ["mapping.txt", "mapping/mapping.txt"])
def test_a_known_list_of_classes_tells_the_rate(place: str, tmp_path: Path) -> None:
    folder = data_set(tmp_path, a="take\n" * 15)
    (folder / place).parent.mkdir(exist_ok=True)
    (folder / place).write_text("".join(f"{k} {name}\n" for k, name in enumerate(GTEA)))
    for path in (folder, folder / "groundTruth", folder / "groundTruth" / "a.txt"):
        found = read(path)
        assert rows(found.container) == [("a", 0.0, 1.0, "take")]
        assert (str(found.rate), found.rate_origin) == (
            "15",
            "15 per second, as GTEA's labels have; known by mapping.txt",
        )
        (note,) = found.notes
        assert (note.code, note.severity) == ("known-rate", "info")
        assert note.message == f"taken for {found.rate_origin}"
    told = read(folder, rate=30)
    assert (told.container.header.videos[0].end_s, told.rate_origin, told.notes) == (0.5, "told", ())
    # One class more or less is another data set.
    (folder / place).write_text("".join(f"{k} {name}\n" for k, name in enumerate(GTEA[:-1])))
    with pytest.raises(SchemaError, match="expected frames per second, got none"):
        read(folder)


def test_three_data_sets_are_known() -> None:
    salads = "cut_tomato place_tomato_into_bowl cut_cheese place_cheese_into_bowl cut_lettuce place_lettuce_into_bowl "
    salads += (
        "add_salt add_vinegar add_oil add_pepper mix_dressing peel_cucumber cut_cucumber place_cucumber_into_bowl "
    )
    salads += "add_dressing mix_ingredients serve_salad_onto_plate action_start action_end"
    found = [known_rate(set(names)) for names in (GTEA, salads.split(), GTEA[1:])]
    assert [one and (one.name, str(one.rate)) for one in found] == [("GTEA", "15"), ("50Salads", "30"), None]

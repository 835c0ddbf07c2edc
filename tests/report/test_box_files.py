"""Files with boxes: ours and those of others, in their order, and what they are called."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from lapsdata import formats, plugins
from lapsdata.adapters import Adapted, Adapter
from lapsdata.errors import CorruptDataError, Problem, SchemaError, StorageError, UnknownFormatError
from lapsdata.report import box_files
from lapsdata.report.box_files import read_box_layers
from lapsdata.testing.samples import sample_boxes, sample_segments
from tests.report.made_boxes import Row, made_boxes

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write rows to a file of ours."""

    def write(name: str, *rows: Row, **options: Any) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        formats.write(path, made_boxes(*rows, **options))
        return path

    return write


def test_each_file_is_a_layer_in_the_order_that_was_given(write: Callable[..., Path]) -> None:
    paths = [
        write("tracks.parquet", Row(0, id=1)),
        write("gt.parquet", Row(0, id=1, source="truth")),
        write("det.parquet", Row(0, score=0.5), Row(1, score=0.1)),
    ]
    found = read_box_layers(paths, min_score=0.3)
    assert [(layer.name, layer.kind, len(layer)) for layer in found.layers] == [
        ("tracks", "tracks", 1),
        ("gt", "truth", 1),
        ("det", "detections", 1),
    ]
    assert found.notes == ()


def test_kinds_are_told_in_the_same_order(write: Callable[..., Path]) -> None:
    paths = [write("a.parquet", Row(0, id=1)), write("b.parquet", Row(0, id=1))]
    found = read_box_layers(paths, kinds=["truth", "detections"])
    assert [layer.kind for layer in found.layers] == ["truth", "detections"]
    with pytest.raises(SchemaError, match=r"kinds: expected a kind for each of 2 files, got 1; give --as once"):
        read_box_layers(paths, kinds=["truth"])


def test_files_of_one_name_are_told_apart_by_their_folders(write: Callable[..., Path]) -> None:
    paths = [write("one/gt/gt.parquet", Row(0)), write("two/gt/gt.parquet", Row(0)), write("det.parquet", Row(0))]
    assert [layer.name for layer in read_box_layers(paths).layers] == ["one/gt/gt", "two/gt/gt", "det"]


def test_a_file_that_is_named_twice_is_refused(write: Callable[..., Path]) -> None:
    path = write("gt.parquet", Row(0))
    with pytest.raises(SchemaError, match=r"gt.parquet: expected each file once, got it again"):
        read_box_layers([path, path])


def test_one_sequence_is_taken_from_every_file(tmp_path: Path) -> None:
    formats.write(tmp_path / "match.parquet", sample_boxes())
    found = read_box_layers([tmp_path / "match.parquet"], sequence="right")
    assert [(layer.name, layer.sequence.name, len(layer)) for layer in found.layers] == [("match", "right", 1)]


def test_any_adapter_of_boxes_is_read_and_its_notes_are_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(path: Path) -> Adapted:
        rows = [Row(frame, id=who) for frame, who in json.loads(path.read_text())]
        return Adapted(made_boxes(*rows), (Problem("odd", str(path), "looks odd", None, "warning"),))

    mine = Adapter("mine", "Mine", lambda path: "boxes" if path.suffix == ".mine" else None, read, frozenset())
    every = {**plugins.registry("adapters").load_all(), "mine": mine}
    known = SimpleNamespace(load_all=lambda: every)
    monkeypatch.setattr("lapsdata.adapters._adapter.registry", lambda kind: known)
    path = tmp_path / "match.mine"
    path.write_text("[[0, 3], [1, 3]]")
    found = read_box_layers([path])
    assert [(layer.name, layer.kind, layer.id.tolist()) for layer in found.layers] == [("match", "tracks", [3, 3])]
    assert [note.code for note in found.notes] == ["odd"]


def test_what_holds_no_boxes_is_refused(tmp_path: Path) -> None:
    formats.write(tmp_path / "s.parquet", sample_segments())
    with pytest.raises(UnknownFormatError, match=r"s.parquet: expected boxes, got segments; name a file with boxes"):
        read_box_layers([tmp_path / "s.parquet"])
    (tmp_path / "notes.md").write_text("hello")
    with pytest.raises(UnknownFormatError, match=r"notes.md: expected one of .*boxes_parquet"):
        read_box_layers([tmp_path / "notes.md"])
    with pytest.raises(StorageError, match=r"nothing.parquet: cannot open: no such file"):
        read_box_layers([tmp_path / "nothing.parquet"])


def test_a_flipped_bit_is_an_error(write: Callable[..., Path]) -> None:
    path = write("gt.parquet", *(Row(frame, id=1) for frame in range(50)))
    column = pq.read_metadata(path).row_group(0).column(1)
    damaged = bytearray(path.read_bytes())
    begin = column.dictionary_page_offset or column.data_page_offset
    damaged[begin + column.total_compressed_size - 1] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(CorruptDataError, match=r"gt\.parquet"):
        read_box_layers([path])


def test_names_are_as_short_as_they_can_be() -> None:
    assert box_files._names([Path("a/gt.txt"), Path("b/gt.txt"), Path("b/det.txt")]) == ["a/gt", "b/gt", "det"]

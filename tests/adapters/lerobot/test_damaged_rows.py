"""Files of rows that do not open: each told once, the episodes of the others as good as ever, whatever is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import lapsdata
from lapsdata._repair import repair
from lapsdata.adapters import EpisodesEdit
from lapsdata.adapters.lerobot.converting import convert_set
from lapsdata.adapters.lerobot.editing import edit_sets
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.checks.integrity import check_integrity
from lapsdata.errors import CorruptDataError, LapsError, SchemaError, UnknownFormatError
from lapsdata.testing.episode_sets import episode_rows, write_lerobot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LENGTHS = (4, 6, 5, 3, 7)
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n"
# The bytes of the footer's length: a file that ends as Parquet does, and says nothing that can be read.
DAMAGES: dict[str, tuple[Callable[[bytes], bytes], type[LapsError], str]] = {
    "cut": (lambda data: data[:-100], CorruptDataError, "truncated-data"),
    "pointer": (lambda data: POINTER, UnknownFormatError, "git-lfs-pointer"),
    "empty": (lambda data: b"", UnknownFormatError, "not-parquet"),
    "footer": (lambda data: data[:-8] + b"\xff\xff\xff\x7fPAR1", CorruptDataError, "damaged-parquet"),
}


def made(folder: Path, version: str, *files: int, damage: str = "cut") -> Path:
    root = write_lerobot(folder / "set", version=version, lengths=LENGTHS)
    for path in [files_of(root)[file] for file in files]:
        path.write_bytes(DAMAGES[damage][0](path.read_bytes()))
    return root


def files_of(root: Path) -> list[Path]:
    return sorted((root / "data").rglob("*.parquet"))


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(("version", "lost"), [("v2.1", [0]), ("v3.0", [0, 1])])
def test_the_first_file_costs_its_own_episodes_alone(
    tmp_path: Path, version: str, lost: list[int], damage: str
) -> None:
    root = made(tmp_path, version, 0, damage=damage)
    _, error, code = DAMAGES[damage]
    found = read_set(root)
    (note,) = found.notes
    assert (note.code, note.severity, note.where) == (code, "warning", str(files_of(root)[0]))
    assert note.message.endswith(f": rows of {'episodes 0-1' if len(lost) > 1 else 'episode 0'} cannot be read")
    assert (found.unreadable.tolist(), found.episodes.number.tolist()) == (lost, [0, 1, 2, 3, 4])
    with pytest.raises(error, match=str(files_of(root)[0])):
        read_set(root, strict=True)
    steps = lapsdata.open_steps(root)
    assert [span.number for span in steps.episodes] == [number for number in range(5) if number not in lost]
    wanted = [state for row in episode_rows(LENGTHS)[len(lost) :] for state in row.columns["observation.state"]]
    assert steps.gather(range(len(steps)))["observation.state"].tolist() == [state.tolist() for state in wanted]
    assert [text.rpartition(" ")[2] for text in steps.notes] == [f"[{code}]", "[episodes-left-out]"]
    assert f"{len(lost)} of 5 episodes are left out, as their rows cannot be read: 0" in steps.notes[1]
    named = lapsdata.open_steps(root, episodes=[0, 4], fields=["action"])
    assert named.gather([5])["action"].tolist() == [[4.5, 1.5, 5.5]]
    with pytest.raises(error, match=str(files_of(root)[0])):
        named.gather([0])


def test_files_that_had_to_be_looked_at_are_told_by_kind(tmp_path: Path) -> None:
    root = made(tmp_path, "v2.1", 0, 1, 4)
    files_of(root)[2].write_bytes(POINTER)
    found = read_set(root)
    assert [(note.code, note.where) for note in found.notes] == [
        ("truncated-data", str(files_of(root)[0])),
        ("git-lfs-pointer", str(files_of(root)[2])),
    ]
    assert "; alike in 2 files: rows of episodes 0-1 cannot be read" in found.notes[0].message
    # The one behind the first that opens is not looked at before its rows are asked for.
    assert found.unreadable.tolist() == [0, 1, 2]
    steps = lapsdata.open_steps(root)
    assert steps.gather([0])["action"].tolist() == [[3.5, 0.5, 3.5]]
    with pytest.raises(CorruptDataError, match="the file is cut short"):
        steps.gather([3])


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_set_of_which_no_file_opens_is_refused_once(tmp_path: Path, damage: str) -> None:
    root = made(tmp_path, "v2.1", *range(5), damage=damage)
    _, error, code = DAMAGES[damage]
    with pytest.raises(error, match=rf"{files_of(root)[0]}: .*; none of 5 files of rows opens.*\[{code}\]") as caught:
        read_set(root)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize("files", [(0,), (2,), (0, 3)], ids=str)
def test_a_check_tells_each_kind_once_as_an_error(tmp_path: Path, files: tuple[int, ...]) -> None:
    root = made(tmp_path, "v2.1", *files)
    (item,) = check_integrity([root]).items
    (problem,) = item.problems
    assert (problem.code, problem.severity) == ("truncated-data", "error")
    assert problem.where == str(files_of(root)[files[0]])
    assert ("; alike in 2 episodes: 0, 3" in problem.message) == (len(files) > 1)
    rows = 25 - sum(LENGTHS[file] for file in files)
    assert item.found.startswith(f"lerobot: 5 episodes, {rows} of 25 rows read, ")


@pytest.mark.parametrize("files", [(0,), (2,), (0, 3)], ids=str)
def test_a_conversion_loses_nothing_that_nobody_left_out(tmp_path: Path, files: tuple[int, ...]) -> None:
    root = made(tmp_path, "v2.1", *files)
    named = ", ".join(map(str, files))
    with pytest.raises(CorruptDataError, match=rf"rows of episodes? {named} cannot be read; .*\(--without-episodes\)"):
        convert_set(root, tmp_path / "new", "lerobot-3.0")
    assert not (tmp_path / "new").exists()
    edit_sets([root], tmp_path / "some", "lerobot-3.0", EpisodesEdit(without_episodes=named.replace(" ", "")))
    kept = [rows for number, rows in enumerate(LENGTHS) if number not in files]
    assert read_set(tmp_path / "some", strict=True).episodes.rows.tolist() == kept


def test_a_repair_saves_the_others(tmp_path: Path) -> None:
    root = made(tmp_path, "v2.1", 0)
    (report,) = repair(root, out=tmp_path / "saved", keep="all").items
    assert (report.kept, report.lost) == (4, 1)
    assert read_set(tmp_path / "saved").episodes.rows.tolist() == list(LENGTHS[1:])


def test_times_that_cannot_be_decoded_stop_nothing_but_themselves(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    root = made(tmp_path, "v2.1")
    path = files_of(root)[0]
    with pq.ParquetFile(path) as file:
        column = file.metadata.row_group(0).column(file.schema_arrow.names.index("timestamp"))
        at, size = column.dictionary_page_offset or column.data_page_offset, column.total_compressed_size
    data = path.read_bytes()
    path.write_bytes(data[:at] + b"\xff" * size + data[at + size :])
    found = read_set(root)
    assert [(note.code, note.severity) for note in found.notes] == [("damaged-parquet", "warning")]
    assert found.unreadable.tolist() == []
    steps = lapsdata.open_steps(root, fields=["action"])
    assert len(steps) == 25
    with pytest.raises(SchemaError, match="damaged-parquet"):
        read_set(root, strict=True)

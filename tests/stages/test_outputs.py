"""One output of a stage: kept, made, made again, or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lapsdata.errors import CorruptDataError, Problem, SchemaError, StorageError, UnknownFormatError
from lapsdata.schema.base import Record
from lapsdata.stages import Output, Stage, settle

if TYPE_CHECKING:
    from pathlib import Path

KEY, OTHER = "sha256:" + 64 * "0", "sha256:" + 64 * "1"


def settled(path: Path, key: str, *, force: bool = False) -> tuple[Output[str], list[bool]]:
    """Settle a file whose text is its key; return also how often it was made, and whether over another."""
    calls: list[bool] = []

    def read(path: Path) -> tuple[str | None, str]:
        text = path.read_text()
        if text == "damaged":
            raise CorruptDataError(Problem("checksum", str(path), "expected what was written"))
        if text == "foreign":
            raise UnknownFormatError(Problem("unknown-format", str(path), "expected ours"))
        if text == "unread":
            raise StorageError(Problem("unreadable", str(path), "permission denied"))
        return None if text == "another's" else text, text

    def make(overwrite: bool) -> str:
        calls.append(overwrite)
        path.write_text(key)
        return key

    return settle(path, key, read=read, make=make, force=force), calls


def test_what_is_missing_is_made(tmp_path: Path) -> None:
    output, calls = settled(tmp_path / "x", KEY)
    assert (output.fate, output.content, output.made, calls) == ("made", KEY, True, [False])


@pytest.mark.parametrize(
    ("there", "force", "fate"),
    [(KEY, False, "kept"), (KEY, True, "forced"), (OTHER, False, "changed"), ("damaged", False, "damaged")],
)
def test_what_is_there_decides(tmp_path: Path, there: str, force: bool, fate: str) -> None:
    (tmp_path / "x").write_text(there)
    output, calls = settled(tmp_path / "x", KEY, force=force)
    assert (output.fate, output.content, output.made) == (fate, KEY, fate != "kept")
    assert calls == ([] if fate == "kept" else [True])


@pytest.mark.parametrize("there", ["foreign", "another's"])
@pytest.mark.parametrize("force", [False, True])
def test_what_others_have_made_is_left(tmp_path: Path, there: str, force: bool) -> None:
    (tmp_path / "x").write_text(there)
    with pytest.raises(StorageError, match=r"it is left as it is; move it away"):
        settled(tmp_path / "x", KEY, force=force)
    assert (tmp_path / "x").read_text() == there


def test_what_cannot_be_read_is_told_and_left(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("unread")
    with pytest.raises(StorageError, match=r"permission denied"):
        settled(tmp_path / "x", KEY)
    assert (tmp_path / "x").read_text() == "unread"


class Speed(Record):
    mode: str
    gate: float = 0.5
    taps: tuple[int, ...] = (1, 2)


STAGE = Stage("measure", "Measures.", "speed", lambda: {"speed": Speed, "size": Speed}, lambda kind: {"mode": kind})


def test_what_a_stage_finds_by_itself_is_said() -> None:
    stage = Stage("cut", "Cuts.", "speed", lambda: {"speed": Speed}, lambda kind: {"gate": 1.0})
    with pytest.raises(SchemaError, match=r"cut.gate: .* got 'gate'; the stage finds it by itself"):
        stage.options("speed", {"gate": 2.0, "mode": "x"})


def test_a_recipe_sets_what_the_stage_leaves_open() -> None:
    assert list(STAGE.fields("speed")) == ["gate", "taps"]
    assert STAGE.options("size", {"taps": [3]}) == Speed(mode="size", taps=(3,))
    assert STAGE.told("size", {"gate": 2.0}) == {"gate": 2.0, "taps": [1, 2]}


@pytest.mark.parametrize(
    ("kind", "params", "message"),
    [
        ("sped", {}, r"measure.kind: expected one of speed, size, got 'sped'; did you mean 'speed'\?"),
        ("speed", {"gat": 1}, r"measure.gat: expected one of gate, taps, got 'gat'; did you mean 'gate'\?"),
        ("speed", {"mode": "x"}, r"measure.mode: expected one of gate, taps, got 'mode'; set measure.kind"),
        ("speed", {"gate": "high"}, r"measure: gate"),
    ],
)
def test_what_a_recipe_may_not_say_is_told(kind: str, params: dict[str, object], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        STAGE.options(kind, params)

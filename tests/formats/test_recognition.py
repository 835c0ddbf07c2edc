"""Finding the format: by content, with a named reason where there is none, and never undone by a bad plug-in."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any

import pytest

import lapsdata
from lapsdata import formats
from lapsdata.containers import Energies
from lapsdata.errors import AmbiguousFormatError, CorruptDataError, LapsWarning, StorageError, UnknownFormatError
from lapsdata.formats import energies_jsonl, tracks_hdf5
from lapsdata.plugins import registry
from lapsdata.schema import EnergiesHeader
from lapsdata.testing.samples import (
    sample_boxes,
    sample_energies,
    sample_provenance,
    sample_segments,
    sample_tokens,
    sample_tracks,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lapsdata.containers import Container

FILES: dict[str, Callable[[], Container]] = {
    "clip.h5": sample_tracks,
    "clip.zarr": sample_tracks,
    "tokens.zarr": sample_tokens,
    "clips.jsonl": sample_energies,
    "segments.parquet": sample_segments,
    "boxes.parquet": sample_boxes,
}


@pytest.mark.parametrize("name", FILES)
def test_the_ending_does_not_matter_when_reading(tmp_path: Path, name: str) -> None:
    lapsdata.write(tmp_path / name, FILES[name]())
    (tmp_path / name).rename(tmp_path / "file.bin")
    assert lapsdata.read(tmp_path / "file.bin").equals(FILES[name]())


@pytest.mark.parametrize("name", ["clips.jsonl", "segments.parquet", "boxes.parquet"])
@pytest.mark.parametrize("byte", [0, 1, 3])
def test_damage_in_the_first_bytes_is_damage(tmp_path: Path, name: str, byte: int) -> None:
    """A file that ends as one of ours is not a stranger because its first bytes were hit."""
    path = tmp_path / name
    lapsdata.write(path, FILES[name]())
    content = bytearray(path.read_bytes())
    content[byte] ^= 4
    path.write_bytes(content)
    with pytest.raises(CorruptDataError, match=rf"{name}: expected .* at byte 0"):
        lapsdata.read(path)


def test_a_header_of_any_length_is_recognised(tmp_path: Path) -> None:
    header = EnergiesHeader(
        provenance=sample_provenance(),
        per="step",
        source="velocity",
        mode="velocity_step",
        support_s=0.2,
        hop_s=0.1,
        videos=tuple(f"{number:06d}-{'x' * 180}" for number in range(100_000)),
    )
    energies = Energies.of_rows(header, [])
    lapsdata.write(tmp_path / "many.jsonl", energies)
    assert (tmp_path / "many.jsonl").stat().st_size > 1 << 24
    assert lapsdata.read(tmp_path / "many.jsonl").equals(energies)


@pytest.mark.parametrize("content", [b"", b"hello\n", b"{}", b"PK\x03\x04", b"\x89HDF"])
def test_files_of_nobody(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises((UnknownFormatError, CorruptDataError), match="file: expected"):
        lapsdata.read(tmp_path / "file")


def test_nothing_a_pipe_and_a_device_are_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"none.h5: cannot open: no such file or folder; check the path"):
        lapsdata.read(tmp_path / "none.h5")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StorageError, match=r"pipe: expected a file or folder, got a pipe, socket or device"):
        lapsdata.read(tmp_path / "pipe")
    with pytest.raises(StorageError, match=r"/dev/null: expected a file or folder, got a pipe, socket or device"):
        lapsdata.read("/dev/null", format="tracks_hdf5")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a" * 300 + ".h5", r"the name is too long; shorten it \[wrong-name\]"),
        ("a\0b.h5", r"expected a name, got .*\[wrong-name\]"),
    ],
)
def test_impossible_names(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(StorageError, match=message):
        lapsdata.read(tmp_path / name)
    with pytest.raises(StorageError, match=message):
        lapsdata.write(tmp_path / name, sample_tracks())


@pytest.mark.parametrize("place", [".", "/"])
def test_a_place_without_a_name_cannot_be_written_to(place: str) -> None:
    with pytest.raises(StorageError, match=r"expected a name, got '[./]'; name a file or folder"):
        lapsdata.write(place, sample_tracks(), format="tracks_zarr", overwrite=True)


def test_a_format_that_breaks_while_looking_is_named_and_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(path: Path) -> bool:
        raise ZeroDivisionError("division by zero")

    formats = registry("formats").load_all()
    broken = dataclasses.replace(energies_jsonl.PLUGIN, name="other", recognises=breaks)
    monkeypatch.setattr(registry("formats"), "load_all", lambda: {"other": broken, **formats})
    lapsdata.write(tmp_path / "clip.h5", sample_tracks())
    with pytest.warns(
        LapsWarning, match=r"format other failed to look at .*clip.h5: ZeroDivisionError: division by zero"
    ):
        assert lapsdata.read(tmp_path / "clip.h5").equals(sample_tracks())


def test_two_formats_that_know_a_file_are_not_guessed_between(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    formats = registry("formats").load_all()
    twin: Any = dataclasses.replace(tracks_hdf5.PLUGIN, name="twin")
    monkeypatch.setattr(registry("formats"), "load_all", lambda: {**formats, "twin": twin})
    path = tmp_path / "clip.h5"
    with pytest.raises(AmbiguousFormatError, match=r"expected one format for Tracks with ending '.h5', got 2"):
        lapsdata.write(path, sample_tracks())
    lapsdata.write(path, sample_tracks(), format="tracks_hdf5")
    with pytest.raises(AmbiguousFormatError, match=r"clip.h5: expected one format, got several .*: tracks_hdf5, twin"):
        lapsdata.read(path)
    assert lapsdata.read(path, format="tracks_hdf5").equals(sample_tracks())


@pytest.mark.parametrize("name", ["results.txt", "samples.tar"])
def test_an_empty_file_of_others_is_empty_and_not_damaged(tmp_path: Path, name: str) -> None:
    """Regression: results that found nothing were called a damaged HDF5 file, so that nobody else could read them."""
    (tmp_path / name).touch()
    with pytest.raises(UnknownFormatError, match=rf"{name}: expected one of .*, got 0 bytes; restore it from a copy"):
        formats.recognise(tmp_path / name)


def test_an_empty_file_of_ours_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "clip.h5").touch()
    with pytest.raises(CorruptDataError, match=r"clip.h5: expected an HDF5 file, got 0 bytes; restore it from a copy"):
        formats.recognise(tmp_path / "clip.h5")

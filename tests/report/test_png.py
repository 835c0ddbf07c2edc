"""PNG files: what was drawn, bit for bit, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from lapsdata.errors import SchemaError, StorageError
from lapsdata.report import write_png

if TYPE_CHECKING:
    from pathlib import Path

PICTURE = np.random.default_rng(0).integers(0, 255, (7, 11, 3), dtype=np.uint8)


def test_a_picture_comes_back_with_its_colours_in_order(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", PICTURE)
    read = cv2.imread(str(tmp_path / "a.png"))
    assert read is not None
    assert (read[..., ::-1] == PICTURE).all()
    write_png(tmp_path / "b.PNG", PICTURE)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.PNG").read_bytes()


def test_an_existing_file_stays_unless_told_otherwise(tmp_path: Path) -> None:
    target = tmp_path / "a.png"
    target.write_text("mine")
    with pytest.raises(StorageError, match="expected a free name, got an existing one"):
        write_png(target, PICTURE)
    assert target.read_text() == "mine"
    write_png(target, PICTURE, overwrite=True)
    assert target.read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_folder_that_takes_no_file_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(StorageError, match="cannot write: a part of the path is not a folder"):
        write_png(tmp_path / "taken" / "a.png", PICTURE)
    with pytest.raises(StorageError, match="cannot write: no such file or folder"):
        write_png(tmp_path / "absent" / "a.png", PICTURE)


def test_no_permission_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may write everywhere, so that the answer of the system is played."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.touch", refuse)
    with pytest.raises(StorageError, match="cannot write: no permission; choose a folder you may write to"):
        write_png(tmp_path / "a.png", PICTURE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.jpg", "a", "png"])
def test_another_ending_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SchemaError, match=r"expected \.png, got"):
        write_png(tmp_path / name, PICTURE)


@pytest.mark.parametrize("image", [PICTURE[..., 0], PICTURE.astype(float), PICTURE[:0]], ids=["grey", "float", "empty"])
def test_what_is_no_picture_is_refused(tmp_path: Path, image: np.ndarray) -> None:
    with pytest.raises(SchemaError, match=r"expected \(H, W, 3\) uint8 RGB, got"):
        write_png(tmp_path / "a.png", image)

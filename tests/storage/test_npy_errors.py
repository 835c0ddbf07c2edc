"""Headers of NumPy's files, damaged in every byte: whoever reads them tells it, and nothing else is raised."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata.adapters import _confidences
from lapsdata.adapters.opv2v.pictures import read_depth
from lapsdata.errors import CorruptDataError, LapsError, Problems
from lapsdata.stages import _predicted_actions
from lapsdata.storage.npy_errors import npy_errors
from lapsmodels.trackers import _queries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def damaged() -> Iterator[bytes]:
    """Yield a file of 2 x 3 floats with each byte of its header as some other one."""
    file = io.BytesIO()
    np.save(file, np.ones((2, 3), np.float32))
    for place in range(128):
        for other in (0, ord("("), ord("'"), ord("9"), 255):
            content = bytearray(file.getvalue())
            content[place] = other
            yield bytes(content)


def confidences(path: Path) -> Any:
    faults = Problems("confidences")
    found = _confidences._rows(path, 2, None, faults)
    if found is None:
        faults.raise_as(CorruptDataError)
    return found


@pytest.mark.parametrize("read", [read_depth, confidences, _queries._array])
def test_whatever_a_damaged_header_says_is_an_array_or_an_error_of_ours(
    read: Callable[[Path], Any], tmp_path: Path
) -> None:
    """Regression: some were told by Python's tokenizer or parser, and ended whole checks and conversions."""
    path, told = tmp_path / "a.npy", list[str]()
    for content in damaged():
        path.write_bytes(content)
        try:
            assert isinstance(read(path), np.ndarray)
        except LapsError as error:
            told.append(str(error))
    assert len(told) > 200
    assert all("a.npy" in one for one in told)


def test_an_archive_of_damaged_arrays_is_told(tmp_path: Path) -> None:
    path, told = tmp_path / "a.npz", list[str]()
    for content in damaged():
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("action.npy", content)
        try:
            _predicted_actions._arrays(path)
        except CorruptDataError as error:
            told.append(error.problems[0].code)
    assert len(told) > 200
    assert set(told) == {"not-npz"}


def test_errors_that_callers_know_stay_as_they_are() -> None:
    for error in (OSError("gone"), EOFError("cut"), ValueError("magic"), zipfile.BadZipFile("no zip")):
        with pytest.raises(type(error), match=f"^{error}$"), npy_errors():
            raise error
    with pytest.raises(ValueError, match=r"^a damaged header \(SyntaxError\)$"), npy_errors():
        raise SyntaxError
    with pytest.raises(KeyboardInterrupt, match=r"^$"), npy_errors():
        raise KeyboardInterrupt

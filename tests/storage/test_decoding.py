"""Whatever a decoder raises on damaged bytes becomes one error; refusals of the system and errors of ours do not."""

from __future__ import annotations

import zlib

import pytest

from lapsdata.errors import CorruptDataError, MissingExtraError, Problem, SchemaError, StorageError
from lapsdata.storage.decoding import decoding


@pytest.mark.parametrize(
    "error",
    [
        KeyError("codecs"),
        ValueError("bad"),
        TypeError("bad"),
        RuntimeError("bad"),
        zlib.error("bad"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
        RecursionError("deep"),
        OSError("thrift: invalid TType"),
        AssertionError("bad"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_all_become_corrupt_data(error: Exception) -> None:
    message = rf"clip.zarr: zarr.json: expected JSON, got bytes that cannot be decoded \({type(error).__name__}: "
    with pytest.raises(CorruptDataError, match=message) as caught, decoding("clip.zarr: zarr.json", "JSON"):
        raise error
    assert caught.value.__cause__ is error


def test_errors_of_ours_pass() -> None:
    with pytest.raises(SchemaError, match="as it was"), decoding("file", "JSON"):
        raise SchemaError(Problem("wrong-value", "", "as it was"))


def test_no_permission_is_no_damage() -> None:
    message = r"clip.zarr: zarr.json: cannot open: no permission"
    with pytest.raises(StorageError, match=message), decoding("clip.zarr: zarr.json", "JSON"):
        raise PermissionError(13, "Permission denied")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(5, "Input/output error"), r"the device reported an error; check the disk \[input-output\]"),
        (OSError(24, "Too many open files"), r"too many files are open; .*ulimit -n\) \[too-many-files\]"),
        (MemoryError("huge"), r"expected memory for JSON, got none; damaged lengths .*\[out-of-memory\]"),
    ],
)
def test_what_the_system_refuses_says_nothing_about_the_bytes(error: Exception, message: str) -> None:
    with (
        pytest.raises(StorageError, match=rf"clip.zarr: zarr.json: .*{message}"),
        decoding("clip.zarr: zarr.json", "JSON"),
    ):
        raise error


def test_a_package_that_is_not_there_is_named() -> None:
    message = r"clip.h5: expected a package that can be imported, got: No module named 'x'; run: lapsdata doctor"
    with pytest.raises(MissingExtraError, match=message), decoding("clip.h5", "JSON"):
        raise ModuleNotFoundError("No module named 'x'")


def test_a_stop_by_hand_passes() -> None:
    with pytest.raises(KeyboardInterrupt, match="stop"), decoding("file", "JSON"):
        raise KeyboardInterrupt("stop")


def test_long_texts_are_cut() -> None:
    with pytest.raises(CorruptDataError, match=r"x{200}") as caught, decoding("file", "JSON"):
        raise ValueError("x" * 10_000)
    assert len(str(caught.value)) < 400

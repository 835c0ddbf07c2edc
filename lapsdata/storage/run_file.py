"""The record of a run beside its outputs: `run.json`, the only file that holds clock times."""

from __future__ import annotations

import contextlib
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lapsdata.errors import StorageError
from lapsdata.provenance import calling_repository, installed_package
from lapsdata.schema.run import Run
from lapsdata.storage.atomic import atomic_file, storage_errors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import PathLike

__all__ = ["RUN_FILE", "record_run"]

RUN_FILE = "run.json"
"""Its name, in the folder of the outputs."""


@contextlib.contextmanager
def record_run(folder: str | PathLike[str], command: tuple[str, ...] | None = None) -> Iterator[Path]:
    """Write `folder/run.json` while something runs: command, code, repository, times, outcome.

    Parameters
    ----------
    folder : str or PathLike
        Where the outputs go; made if it does not exist.
    command : tuple of str, optional
        The command line; default `sys.argv`. Bytes that are not UTF-8 are spelled in hex.

    Yields
    ------
    Path
        The file. It says `running` until the block ends, then `finished`, or `failed` if an error left it.

    Raises
    ------
    StorageError
        The folder cannot be made or written to. An error of the block itself is never replaced by this one:
        it gets a note that `run.json` could not be brought up to date.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with record_run(pathlib.Path(tempfile.mkdtemp()), ("lapsdata", "track")) as file:
    ...     Run.parse(file.read_bytes()).outcome
    'running'
    >>> Run.parse(file.read_bytes()).outcome
    'finished'
    """
    folder = Path(folder)
    with storage_errors(folder, "make the folder"):
        folder.mkdir(parents=True, exist_ok=True)
    path = folder / RUN_FILE
    facts: dict[str, Any] = {
        "command": tuple(_spelled(word) for word in (sys.argv if command is None else command)),
        "packages": (installed_package("lapsdata"), installed_package("lapsmodels")),
        "repository": calling_repository(),
        "python": platform.python_version(),
        "started_utc": _now(),
    }
    _write(path, Run(**facts))
    try:
        yield path
    except BaseException as error:
        # A program that exits with 0 has done what it was asked for.
        done = isinstance(error, SystemExit) and error.code in (None, 0)
        try:
            _write(path, Run(**facts, finished_utc=_now(), outcome="finished" if done else "failed"))
        except StorageError as refusal:
            error.add_note(f"run.json still says that it runs: {refusal}")
        raise
    _write(path, Run(**facts, finished_utc=_now(), outcome="finished"))


def _write(path: Path, run: Run) -> None:
    with atomic_file(path, overwrite=True) as temporary:
        temporary.write_bytes(run.to_bytes() + b"\n")


def _spelled(word: str) -> str:
    return word.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

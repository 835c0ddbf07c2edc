"""What a damaged path was: its header may be what is damaged, so its first bytes, its files and its name are asked."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from lapsdata._repair._episodes import is_episodes
from lapsdata.errors import CorruptDataError, Problem, UnknownFormatError
from lapsdata.execution.report import leftovers
from lapsdata.formats import recognise
from lapsdata.loading.foreign import NPY_TRACKS
from lapsdata.storage.atomic import restore_folder, storage_errors
from lapsdata.storage.seal_list import seal_list_path
from lapsdata.storage.sealed_zarr import ATTRIBUTE
from lapsdata.storage.zarr_files import METADATA

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["clean", "format_of", "is_item", "put_back"]

_ASIDE = ".lapsdata-tmp-aside-"
_FOREIGN = (METADATA, ".zgroup", ".zarray")


def is_item(path: Path) -> bool:
    """Say whether a path is one item, and no folder of items."""
    with storage_errors(path, "open"):
        if path.is_file():
            return True
        inside = {item.name for item in path.iterdir()}
    known = inside & {*_FOREIGN, NPY_TRACKS, "shards.json", "index.parquet"}
    return bool(known) or path.suffix in (".zarr", ".shards") or is_episodes(path)


def format_of(path: Path) -> str:
    """Return the registry name of what a path is, or was.

    Raises
    ------
    CorruptDataError
        It was one of ours, and is damaged where it said which.
    UnknownFormatError
        It is none of ours: files of others carry no checksums, so nothing in them can be verified.
    """
    if path.is_dir():
        return _format_of_folder(path)
    try:
        return recognise(path).name
    except UnknownFormatError as error:
        raise _foreign(path) from error


def _format_of_folder(path: Path) -> str:
    if is_episodes(path):
        return "lerobot"
    inside = {item.name for item in path.iterdir()}
    if inside & {"shards.json", "index.parquet", "frames.parquet"}:
        return "shards_webdataset"
    if METADATA not in inside:
        if inside & set(_FOREIGN) or not inside & {"root", "codes", "frame_s"}:
            raise _foreign(path)
        message = f"expected {METADATA}, got none: the header stood there"
        raise CorruptDataError(Problem("header-damaged", str(path), message, "make it anew from its parents"))
    name = _zarr_format(path)
    return {"lapsdata.tracks": "tracks_zarr", "lapsdata.tokens": "tokens_zarr"}.get(str(name), "") or _other(path)


def _zarr_format(path: Path) -> Any:  # noqa: ANN401 - whatever JSON says
    with storage_errors(path, "open"):
        data = (path / METADATA).read_bytes()
    try:
        attributes = json.loads(data).get("attributes", {})
        return attributes[ATTRIBUTE]["header"]["format"] if ATTRIBUTE in attributes else None
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError) as error:
        message = f"expected a header, got bytes that are none ({type(error).__name__})"
        fix = "make it anew from its parents"
        raise CorruptDataError(Problem("header-damaged", f"{path}: {METADATA}", message, fix)) from error


def _other(path: Path) -> str:
    try:
        return recognise(path).name
    except UnknownFormatError as error:
        raise _foreign(path) from error


def _foreign(path: Path) -> UnknownFormatError:
    listed = seal_list_path(path).exists()
    message = (
        "expected a file of ours, got one of another maker, or one whose first bytes are damaged: it carries no "
        "checksums of its own, and repair saves nothing of such files"
    )
    which = "which of its windows fit its seal list" if listed else "whether its windows can be read"
    fix = f"take it from a copy, or make it anew with what made it; lapsdata check PATH tells {which}"
    return UnknownFormatError(Problem("no-checksums", str(path), message, fix))


def put_back(folder: Path) -> tuple[Path, ...]:
    """Give folders that a killed writer had moved aside their names again; where they have a successor, remove them."""
    with storage_errors(folder, "open"):
        aside = sorted(item for item in folder.iterdir() if item.name.startswith(_ASIDE))
    goals = [folder / item.name.removeprefix(_ASIDE) for item in aside]
    return tuple(goal for goal in goals if restore_folder(goal))


def clean(folder: Path) -> tuple[Path, ...]:
    """Remove what killed writers have left unfinished in a folder."""
    found = leftovers([folder])
    for path in found:
        with storage_errors(path, "remove"):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    return found

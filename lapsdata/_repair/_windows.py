"""Tracks and tokens: the longest run of windows from the first on that are what was written."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata._repair._choice import Keep, chosen, lost_s
from lapsdata._repair._marks import saved_header
from lapsdata._repair._report import Repaired
from lapsdata._repair._scan import WindowScan, scan_windows
from lapsdata._repair._stores import Salvage, open_hdf5_salvage, open_zarr_salvage
from lapsdata.containers.tokens import Tokens
from lapsdata.errors import CorruptDataError, Problem
from lapsdata.formats import read_header, tracks_writer, write
from lapsdata.formats._format import open_header
from lapsdata.schema.tokens import TokensHeader
from lapsdata.schema.tracks import TracksHeader
from lapsdata.storage.index import ChunkIndex
from lapsdata.storage.sealed_zarr import find_damage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["repair_tokens", "repair_tracks"]

_DTYPES = {"tracks": np.dtype(np.float32), "vis": np.dtype(np.bool_), "confidence": np.dtype(np.float32)}


def repair_tracks(path: Path, format: str, out: Path | None, keep: Keep, *, readable: Path | None = None) -> Repaired:
    """Save the windows of a damaged tracks file; see `lapsdata._repair.repair`.

    Parameters
    ----------
    path, format, out, keep
        See there.
    readable : Path, optional
        Of HDF5 that was cut short: its copy, filled up with zeros.

    Raises
    ------
    CorruptDataError
        Nothing can be saved; says why.
    """
    store = _open(path, format) if readable is None else open_hdf5_salvage(readable, path.stat().st_size)
    header = open_header(TracksHeader, store.header, path)
    names = _expected(header, store, path)
    fields = {name: np.dtype((_DTYPES[_array(name)], tuple(store.sources[name].shape[1:]))) for name in names}
    scan = scan_windows(str(path), {name: store.sources[name] for name in names}, fields)
    kept = chosen(scan.good, keep)
    found = _found(path, format, scan, store, header.horizon, kept)
    if found.state == "whole" or out is None:
        return found
    notes = found.notes
    changed = saved_header(header, path, found.lost)
    if found.lost:
        views, told = _unmeasured(header)
        changed["views"], notes = views, (*notes, *told, *_gaps(header, kept))
    starts, frame_s = store.small["start_index"][kept], store.small["frame_s"]
    changed["uncovered_frames"] = len(frame_s) - int(starts[-1]) - header.horizon
    done = _write_tracks(out, format, header.model_copy(update=changed), scan, store, kept)
    return replace(found, state="repaired", output=done, notes=notes)


def _write_tracks(
    out: Path, format: str, header: TracksHeader, scan: WindowScan, store: Salvage, kept: NDArray[np.int64]
) -> Path:
    with tracks_writer(
        out,
        views={view: facts.points for view, facts in header.views.items()},
        windows=len(kept),
        horizon=header.horizon,
        confidence=header.confidence,
        format=format,
        **_settings(store),
    ) as writer:
        for block in scan.blocks(kept):
            for view in header.views:
                tracks, vis, confidence = (block.get(f"root/{view}/{name}") for name in _DTYPES)
                if tracks is not None and vis is not None:
                    writer.append(view, tracks, vis, confidence)
        times = store.small
        return writer.finish(header, times["start_index"][kept], times["frame_s"], times.get("source_index")).path


def repair_tokens(path: Path, format: str, out: Path | None, keep: Keep) -> Repaired:
    """Save the windows of a damaged tokens file; see `lapsdata._repair.repair`.

    Raises
    ------
    CorruptDataError
        Nothing can be saved; says why.
    """
    store = _open(path, format)
    header = open_header(TokensHeader, store.header, path)
    _expect(path, {"codes", "start_index", "frame_s"}, {*store.sources, *store.small})
    fields = {
        name: np.dtype((np.int32 if name == "codes" else np.float32, tuple(source.shape[1:])))
        for name, source in store.sources.items()
    }
    scan = scan_windows(str(path), store.sources, fields)
    kept = chosen(scan.good, keep)
    found = _found(path, format, scan, store, header.horizon, kept)
    if found.state == "whole" or out is None:
        return found
    blocks = list(scan.blocks(kept))
    arrays = {name: np.concatenate([block[name] for block in blocks]) for name in fields}
    saved = header.model_copy(update=saved_header(header, path, found.lost))
    times = {"start_index": store.small["start_index"][kept], "frame_s": store.small["frame_s"]}
    profile = store.storage.get("profile", "raw")
    write(out, Tokens(saved, **arrays, **times), format=format, profile=profile)
    return replace(found, state="repaired", output=out)


def _open(path: Path, format: str) -> Salvage:
    return open_hdf5_salvage(path) if format.endswith("_hdf5") else open_zarr_salvage(path)


def _array(name: str) -> str:
    return name.rpartition("/")[2]


def _expected(header: TracksHeader, store: Salvage, path: Path) -> list[str]:
    fields = ("tracks", "vis", *(("confidence",) if header.confidence else ()))
    names = [f"root/{view}/{field}" for view in sorted(header.views) for field in fields]
    _expect(path, {*names, "start_index", "frame_s"}, {*store.sources, *store.small})
    return names


def _expect(path: Path, names: set[str], there: set[str]) -> None:
    missing = sorted(names - there)
    if missing:
        message = f"expected {', '.join(missing)}, got none: a whole array, or its checksums, are gone"
        raise CorruptDataError(Problem("array-missing", str(path), message, "make it anew from its parents"))


def _found(
    path: Path, format: str, scan: WindowScan, store: Salvage, horizon: int, chosen: NDArray[np.int64]
) -> Repaired:
    """Say what was found, before anything is written.

    Raises
    ------
    CorruptDataError
        No window is sound that is to be kept.
    """
    starts, frame_s = store.small["start_index"], store.small["frame_s"]
    kept, lost, sound = len(chosen), len(scan.good) - len(chosen), int(scan.good.sum())
    _expect_times(path, starts, frame_s, len(scan.good), horizon)
    damage = "" if scan.first is None else f"{scan.first.where}: {scan.first.message}"
    if kept == 0:
        message = f"the first window is damaged already ({sound} of {lost} are sound): {damage}"
        raise CorruptDataError(
            Problem("nothing-left", str(path), message, "--keep all saves what is sound, or make it anew")
        )
    refused = None if lost else _refused(path, store)
    if not lost and refused is None:
        return Repaired(path, format, "whole", "windows", kept=kept)
    told = () if refused is None or store.notes else (replace(refused, severity="warning", fix=None),)
    seconds = lost_s(frame_s, starts, horizon, chosen)
    numbers: dict[str, Any] = {"kept": kept, "lost": lost, "good_after": sound - kept, "lost_s": seconds}
    return Repaired(
        path,
        format,
        "damaged",
        "windows",
        **numbers,
        lost_bytes=scan.lost_bytes(chosen),
        first_bad=damage,
        notes=(*store.notes, *told),
    )


def _refused(path: Path, store: Salvage) -> Problem | None:
    """Return what an ordinary reader refuses though every window is sound: structure, or a checksum of a chunk."""
    try:
        read_header(path)
        for source in store.sources.values():
            if isinstance(source, ChunkIndex) and source.codecs and source.codecs[-1].name == "crc32c":
                find_damage(source)
    except CorruptDataError as error:
        return error.problems[0]
    return None


def _expect_times(path: Path, starts: NDArray[Any], frame_s: NDArray[Any], windows: int, horizon: int) -> None:
    """Refuse times that do not fit the windows: only where nothing vouches for them can that be so."""
    good = len(starts) == windows and windows and (starts >= 0).all() and (starts <= len(frame_s) - horizon).all()
    if not good:
        message = f"expected the start of {windows} windows of {horizon} among {len(frame_s)} frames, got others"
        raise CorruptDataError(Problem("times-damaged", str(path), message, "make it anew from its parents"))


def _gaps(header: TracksHeader, kept: NDArray[np.int64]) -> tuple[Problem, ...]:
    """Say that there are gaps where readers of bare files would not see them."""
    if len(kept) == kept[-1] + 1 or not header.row_is_source_frame:
        return ()
    message = (
        "row w is not source frame w any more, since windows are missing; readers of bare AMPLIFY files take it so"
    )
    return (Problem("row-is-not-frame", "tracks", message, "use lapsdata to read times", "warning"),)


def _unmeasured(header: TracksHeader) -> tuple[dict[str, Any], tuple[Problem, ...]]:
    """Return the views without their quality, which was measured over windows that are lost."""
    views = {view: facts.model_copy(update={"quality": None}) for view, facts in header.views.items()}
    if all(facts.quality is None for facts in header.views.values()):
        return views, ()
    message = "the quality of the tracks was measured over all windows, and is left out"
    return views, (Problem("quality-left-out", "header", message, severity="info"),)


def _settings(store: Salvage) -> dict[str, Any]:
    """Return the options that give the stored numbers back as they are."""
    storage: Mapping[str, Any] = store.storage
    if storage.get("profile") != "compact":
        return {}
    step = storage.get("round_px")
    return {"profile": "compact", "round_px": "none" if step is None else step}

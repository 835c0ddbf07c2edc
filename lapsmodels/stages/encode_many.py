"""From a folder of tracks and a tokenizer to a folder of tokens, one file per video."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from lapsdata.errors import Problem, SchemaError
from lapsdata.execution.here import HereEngine
from lapsdata.execution.local import LocalEngine
from lapsdata.execution.manifest import WorkItem, plan, work_key
from lapsdata.execution.report import Interrupted, carry_out, carry_out_shown
from lapsdata.execution.staged import Staged
from lapsdata.formats import read_header, write
from lapsdata.provenance import parent
from lapsdata.schema.base import Parent, Positive, Record
from lapsdata.schema.tokens import TokensHeader
from lapsdata.stages import Stage
from lapsdata.storage.atomic import storage_errors
from lapsdata.transforms.track_speed import Motion
from lapsmodels.stages._devices import devices
from lapsmodels.stages._encode_ahead import AheadOfModel
from lapsmodels.stages._other_code import judged, tell_other_code
from lapsmodels.stages._own_key import own_key
from lapsmodels.stages._threads import threads
from lapsmodels.stages.encode_report import Encoded, EncodeReport
from lapsmodels.tokenizer.checkpoint import load_tokenizer, read_tokenizer_header, tokenizer_parent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pydantic import JsonValue

    from lapsdata.execution.engine import Tell
    from lapsdata.execution.manifest import Found, Job, Plan
    from lapsdata.execution.report import Report
    from lapsmodels.stages.encode import VideoEncoder
    from lapsmodels.tokenizer.checkpoint import Checkpoint

__all__ = ["PLUGIN", "EncodeOptions", "encode_files"]

# Changes of it change what the same tokenizer makes of the same tracks.
_STAGE, _VERSION = "encode", "1"
# What decides which tokens come out; the size of a batch does not.
_DECIDE = ("latents", "motion", "gate_speed", "gate_share", "device")


class EncodeOptions(Record):
    """What is stored.

    Examples
    --------
    >>> EncodeOptions().latents
    'quantized'
    """

    latents: Literal["none", "quantized", "both"] = "quantized"
    """Latents beside the codes; `both` are those before quantisation too."""
    motion: Motion = "raw"
    """`residual` takes the motion of the camera off first; `train` knows no such tracks, so that this is told."""
    gate_speed: Annotated[float, Field(ge=0)] | None = None
    """Leave out, before encoding, windows whose points stand still: mean speed below this, where the frame is 2 high
    and 2 wide, and few points above it; null leaves none out. LAPS has 0.02."""
    gate_share: Annotated[float, Field(ge=0, le=1)] = 0.025
    """Share of the points above `gate_speed` from which on a window stays."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where windows are encoded: `cuda` takes all GPUs in turns. Sums of another kind of device differ in their last
    bits, and now and then a code does."""
    batch: Positive = 64
    """Windows at a time."""


@dataclass(frozen=True, slots=True)
class _Work:
    tracks: Path
    tokenizer: Path
    options: EncodeOptions
    of_tokenizer: Parent
    device: str
    weights: str


def encode_files(
    files: Sequence[Path],
    tokenizer: Path,
    out: Path,
    options: EncodeOptions | None = None,
    *,
    force: bool = False,
    workers: int | None = None,
) -> EncodeReport:
    """Encode files of tracks; tokens that were made of these by this tokenizer are kept.

    One file after the other through the model, on one thread: the bits do not depend on the number of cores or of
    processes. Reading ahead and writing what is done have threads of their own.

    Parameters
    ----------
    files : sequence of Path
        One per video.
    tokenizer : Path
        Folder; see `lapsmodels.tokenizer.checkpoint`.
    out : Path
        Folder of the files `<name of the tracks file>.zarr`; made if it is not there.
    options : EncodeOptions, optional
    force : bool
        Encode again what is done.
    workers : int, optional
        Processes that share the files; by default all is done in this one.

    Returns
    -------
    EncodeReport

    Raises
    ------
    StorageError, CorruptDataError, SchemaError
        There is no file, or the tokenizer cannot be read; what goes wrong with a single video is in the report.
    KeyboardInterrupt
        Ctrl-C or SIGTERM; files that were finished stay.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import lapsdata
    >>> from lapsdata.testing.samples import sample_tracks
    >>> from lapsmodels.stages.train import train_tokenizer
    >>> from lapsmodels.stages.train_options import TrainStageOptions
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = lapsdata.write(folder / "clip.h5", sample_tracks(windows=8))
    >>> _ = train_tokenizer([folder / "clip.h5"], folder / "tokenizer", TrainStageOptions(steps=1, batch=4))
    >>> encode_files([folder / "clip.h5"], folder / "tokenizer", folder / "tokens").counts["made"]
    1
    """
    chosen = options or EncodeOptions()
    about = read_tokenizer_header(tokenizer)
    if not files:
        message = "expected tracks, got none"
        raise SchemaError(Problem("no-tracks", "tracks", message, "make some: lapsdata track VIDEOS --out FOLDER"))
    with storage_errors(out, "make the folder"):
        out.mkdir(parents=True, exist_ok=True)
    of_tokenizer = tokenizer_parent(tokenizer)
    items: list[WorkItem[_Work]] = []
    places = devices(chosen.device)
    for number, path in enumerate(files):
        output = out / f"{path.stem}.zarr"
        work = _Work(path, tokenizer, chosen, of_tokenizer, places[number % len(places)], about.weights)
        items.append(WorkItem(path.stem, output, "", work, units=1))
    todo = plan(items, _look, force=force)
    tell_other_code(todo, "tokens")
    trained, residual = None if about.trained is None else about.trained.rate, chosen.motion == "residual"
    try:
        done = _carried_out(todo, workers)
    except Interrupted as stop:
        done = stop.report
        raise Interrupted(EncodeReport(done.entries, done.leftovers, trained, residual), stop.number) from stop
    return EncodeReport(done.entries, done.leftovers, trained, residual)


def _carried_out(todo: Plan[_Work], workers: int | None) -> Report[Encoded]:
    if not todo.to_do:
        return carry_out(todo, _ENCODE, HereEngine())
    if workers is not None:
        return carry_out_shown(todo, _encode_alone, LocalEngine(workers), title="encode", unit="videos")
    with threads(1):
        return carry_out_shown(todo, _ENCODE, HereEngine(), title="encode", unit="videos")


def _look(item: WorkItem[_Work]) -> Found:
    """Judge an output; the digest of its tracks is taken only where there is something to compare it with."""
    work = item.payload
    return judged(item, _key_of, lambda: _key(work.options.as_json(), _parents(work, parent("tracks", work.tracks))))


def _parents(work: _Work, tracks: Parent) -> tuple[Parent, Parent]:
    return tracks, work.of_tokenizer


def _key(parameters: Mapping[str, JsonValue], parents: Sequence[Parent]) -> str:
    return work_key(_STAGE, _VERSION, _deciding(parameters), parents)


def _deciding(parameters: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    return {name: parameters.get(name) for name in _DECIDE}


def _key_of(path: Path) -> str | None:
    header = read_header(path)
    made = header.provenance
    return own_key(_STAGE, _VERSION, made, _deciding(made.parameters)) if isinstance(header, TokensHeader) else None


def _encode_alone(job: Job[_Work], tell: Tell) -> Encoded:
    """Encode in a process of its own, of which others stand beside."""
    with threads(1):
        return _ENCODE(job, tell)


def _begin(job: Job[_Work]) -> AheadOfModel:
    work, options = job.item.payload, job.item.payload.options
    return AheadOfModel(
        work.tracks,
        _loaded(work.tokenizer, work.weights, work.device),
        batch=options.batch,
        latents=options.latents,
        motion=options.motion,
        gate_speed=options.gate_speed,
        gate_share=options.gate_share,
    )


def _compute(job: Job[_Work], begun: AheadOfModel) -> tuple[VideoEncoder, AheadOfModel]:
    return begun.encode(), begun


def _end(job: Job[_Work], worked: tuple[VideoEncoder, AheadOfModel], tell: Tell) -> Encoded:
    video, begun = worked
    tokens = video.tokens(_parents(job.item.payload, begun.parent()))
    write(job.item.output, tokens, overwrite=job.overwrite)
    tell(1)
    return Encoded(len(tokens), tokens.header.gated_windows, tokens.header.rate)


_ENCODE = Staged(_begin, _compute, _end)


@functools.lru_cache(maxsize=8)
def _loaded(tokenizer: Path, weights: str, device: str) -> Checkpoint:
    """Return a tokenizer, read once per process, digest of its weights, and device."""
    found = load_tokenizer(tokenizer)
    return found._replace(model=found.model.to(device))


PLUGIN = Stage(
    _STAGE, "Codes of the motion in each window.", "motion_tokenizer", lambda: {"motion_tokenizer": EncodeOptions}
)

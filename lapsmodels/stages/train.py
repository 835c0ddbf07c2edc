"""From files of tracks to a motion tokenizer: resumed where it was stopped, to the same weights."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np

from lapsdata import console
from lapsdata.errors import CorruptDataError, LapsError, Problem, SchemaError, StorageError, UnknownFormatError, listed
from lapsdata.execution.manifest import work_key
from lapsdata.execution.report import FATE_OF
from lapsdata.provenance import code_digest, parent, provenance, warn_of_other_code
from lapsdata.schema.base import Header, Name, Positive
from lapsdata.stages import Output, standing
from lapsdata.storage.atomic import atomic_file, storage_errors
from lapsdata.storage.folder_lock import locked_folder
from lapsdata.storage.sealed_json import read_sealed_json, unsealed_json, write_sealed_json
from lapsmodels.stages._begun_training import refuse_other
from lapsmodels.stages._own_key import own_key
from lapsmodels.stages._threads import threads
from lapsmodels.stages.train_options import TrainStageOptions, deciding
from lapsmodels.tokenizer.checkpoint import (
    TokenizerHeader,
    read_tokenizer_header,
    tokenizer_files,
    weights_digest,
)
from lapsmodels.tokenizer.config import PRESETS
from lapsmodels.tokenizer.corrections import class_grid
from lapsmodels.tokenizer.trained import EpochUse, Trained, collapse_problems, unlike_hz
from lapsmodels.training.checkpoints import CHECKPOINTS, Checkpoints

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lapsdata.execution.manifest import Job
    from lapsdata.schema.base import Parent
    from lapsdata.timebase import FrameRate
    from lapsmodels.tokenizer.config import TokenizerConfig
    from lapsmodels.training.ranks import Ranks
    from lapsmodels.training.run import Planned, TrainingRun
    from lapsmodels.training.source import MotionSource

__all__ = ["FINISHED", "TrainingHeader", "codebook_problems", "train_tokenizer"]

# Changes of it change what the same options make of the same tracks.
_STAGE, _VERSION = "train", "3"

FINISHED, _TRAINING = "finished.json", "training.json"

# Windows from which scale and rate are taken: spread evenly over all of them.
_SAMPLE = 4096


class TrainingHeader(Header):
    """What a training is: `training.json`, written before its first step."""

    RECORD: ClassVar[str] = "training"

    format: Literal["lapsdata.training"] = "lapsdata.training"
    """Which format this header belongs to."""
    key: str
    """What the weights depend on, but for the code."""
    train: tuple[Name, ...]
    """Videos that are learned from."""
    val: tuple[Name, ...]
    """Videos that it is judged by."""
    steps: Positive
    """Steps that are planned."""
    steps_per_epoch: Positive
    """Steps in which each window is met once."""


def train_tokenizer(
    files: Sequence[Path],
    out: Path,
    options: TrainStageOptions | None = None,
    *,
    judged_by: Sequence[Path] = (),
    force: bool = False,
) -> Output[TokenizerHeader]:
    """Train a tokenizer on tracks, all of one horizon and number of points.

    One that was trained on these files in this way is kept. A training that was stopped goes on from its last state
    and comes to the same weights. Windows are read as they are needed, and no more of them is held than a few batches.
    Where `torchrun` has started several processes, each learns from its share of every step.

    Parameters
    ----------
    files : sequence of Path
        Whatever `lapsdata.open_windows` opens.
    out : Path
        Folder of the tokenizer, its states and its log.
    options : TrainStageOptions, optional
    judged_by : sequence of Path
        Tracks of other videos; by default some of `files` are left out, if `options.val` says so.
    force : bool
        Train again what is done, and from the start what was stopped.

    Raises
    ------
    SchemaError
        No tracks, tracks that are not alike, a file that is named twice, or a video that is learned from and judged by.
    CorruptDataError
        A file of tracks, or the state of a training that was stopped, is damaged.
    StorageError
        Something else is in the place of the output, a training of other options that is not finished included; another
        process trains there; or it cannot be written.
    LapsError
        The loss became no number.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import lapsdata
    >>> from lapsdata.testing.samples import sample_tracks
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = lapsdata.write(folder / "clip.h5", sample_tracks(windows=8))
    >>> options = TrainStageOptions(steps=2, batch=4)
    >>> output = train_tokenizer([folder / "clip.h5"], folder / "tokenizer", options)
    >>> output.fate, output.content.config.points, output.content.trained.windows
    ('made', 5, 8)
    """
    asked = _Asked(files, judged_by, out, options or TrainStageOptions(), force)
    _refuse_twice("tracks", files)
    _refuse_twice("val", judged_by)
    with contextlib.ExitStack() as held:
        # One process alone need not load torch to see that all is done.
        seen = _look(asked, held) if os.environ.get("WORLD_SIZE", "1") == "1" else None
        if seen is not None and isinstance(seen.found, Output):
            return _kept(out, seen.found)
        return _with_ranks(asked, seen, held)


class _Asked(NamedTuple):
    """The arguments of `train_tokenizer`."""

    files: Sequence[Path]
    judged_by: Sequence[Path]
    out: Path
    options: TrainStageOptions
    force: bool


class _Seen(NamedTuple):
    """What is there, beside what is asked for."""

    parents: list[Parent]
    key: str
    found: Output[TokenizerHeader | None] | Job[None]


def _look(asked: _Asked, held: contextlib.ExitStack) -> _Seen:
    """Look at the folder; where there is something to do, it is held from then on."""
    out, force = asked.out, asked.force
    parents = _parents(asked.files, asked.judged_by)
    key = work_key(_STAGE, _VERSION, deciding(asked.options.as_json()), parents)
    found = standing(out, key, read=_known, force=force)
    if not isinstance(found, Output) and out.is_dir():
        held.enter_context(locked_folder(out))
        # Whoever was in there until now may have finished it.
        found = standing(out, key, read=_known, force=force)
        if not isinstance(found, Output) and not force:
            _refuse_other(out, key, asked.options, parents)
    return _Seen(parents, key, found)


def _with_ranks(asked: _Asked, seen: _Seen | None, held: contextlib.ExitStack) -> Output[TokenizerHeader]:
    from lapsmodels.training.ranks import joined
    from lapsmodels.training.run import clear

    with joined(asked.options.device) as ranks, threads(asked.options.threads):
        seen = seen or ranks.told(lambda: _look(asked, held))
        found = seen.found
        if isinstance(found, Output):
            return _kept(asked.out, found)
        if asked.force and ranks.first:
            clear(asked.out)
        ranks.wait()
        # A folder that was not there is taken when it is made.
        take = held if found.found.state == "missing" else None
        return _output(asked.out, found, _trained(asked, seen, ranks, take))


def _kept(out: Path, found: Output[TokenizerHeader | None]) -> Output[TokenizerHeader]:
    kept: Any = found.content  # what was kept is a tokenizer
    warn_of_other_code(kept.provenance, str(out))
    return Output(out, found.fate, found.why, kept)


def _refuse_twice(where: str, files: Sequence[Path]) -> None:
    """Refuse a file that is named again, by whatever name: its windows would count as often."""
    seen: set[Path] = set()
    again = []
    for path in files:
        place = path.resolve()
        if place in seen:
            again.append(str(path))
        seen.add(place)
    if again:
        message = f"expected each file once, got {len(again)} of them again: {listed(again)}"
        raise SchemaError(Problem("file-twice", where, message, "name it once"))


def _parents(files: Sequence[Path], judged_by: Sequence[Path]) -> list[Parent]:
    return [*(parent("tracks", path) for path in files), *(parent("val", path) for path in judged_by)]


def _known(path: Path) -> tuple[str | None, TokenizerHeader | None]:
    """Return the key of what stands in a folder; of a training that was not finished, none that is ever asked for."""
    if not (path / FINISHED).exists():
        if (path / _TRAINING).exists():
            read_sealed_json(path / _TRAINING, TrainingHeader)
            return "unfinished", None
        if path.is_dir() and not any(path.iterdir()):
            return "empty", None
        raise UnknownFormatError(Problem("unknown-format", str(path), "expected a tokenizer, got something else"))
    _expect_mark(path / FINISHED)
    header = read_tokenizer_header(path)
    made = header.provenance
    return own_key(_STAGE, _VERSION, made, deciding(made.parameters)), header


def _expect_mark(path: Path) -> None:
    """Refuse a mark of the end that is not as it was written.

    Raises
    ------
    CorruptDataError
    """
    with storage_errors(path, "read"):
        data = path.read_bytes()
    if unsealed_json(data, str(path)) is None:
        message = f"expected the mark of a training that is finished, got {len(data)} bytes that are none"
        raise CorruptDataError(Problem("no-seal", str(path), message, "make it again"))


def _refuse_other(out: Path, key: str, options: TrainStageOptions, parents: Sequence[Parent]) -> None:
    """Refuse a folder in which another training has left states and did not come to its end."""
    with contextlib.suppress(CorruptDataError):
        if (out / FINISHED).exists():
            _expect_mark(out / FINISHED)
            return
    left = Checkpoints(out / CHECKPOINTS, options.keep).progress()
    if left is None or left.key == _state_key(key):
        return
    try:
        begun = read_sealed_json(out / _TRAINING, TrainingHeader).provenance
    except LapsError:
        begun = None
    refuse_other(out, left, begun, options.as_json(), parents)


def _state_key(key: str) -> str:
    """Return what the weights of a state depend on: other code may come to others."""
    return f"{key} {code_digest('lapsmodels')}"


def _output(out: Path, found: Job[None], header: TokenizerHeader) -> Output[TokenizerHeader]:
    why = found.found.why
    begun = found.found.state == "changed" and any(f"made of {word}," in why for word in ("unfinished", "empty"))
    return (
        Output(out, "made", "it was not finished", header)
        if begun
        else Output(out, FATE_OF[found.found.state], why, header)
    )


def codebook_problems(header: TokenizerHeader) -> tuple[Problem, ...]:
    """Say whether a tokenizer gives nearly everything one code.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_provenance
    >>> from lapsmodels.tokenizer.config import TokenizerConfig
    >>> header = TokenizerHeader(
    ...     provenance=sample_provenance(), config=TokenizerConfig(), views=("default",), weights=weights_digest(b"")
    ... )
    >>> codebook_problems(header)
    ()
    """
    return () if header.trained is None else collapse_problems(header.trained.train, "tokenizer")


def _trained(asked: _Asked, seen: _Seen, ranks: Ranks, take: contextlib.ExitStack | None) -> TokenizerHeader:
    from lapsmodels.training.journal import require_loggers
    from lapsmodels.training.judging import judge
    from lapsmodels.training.run import Planned, TrainingRun

    options = asked.options
    require_loggers(options.log if ranks.first else ())
    source, val = _sources(asked.files, asked.judged_by, options)
    if val is None and ranks.first:
        console.note("train: no video judges it (--val none): nothing says how it does on others")
    config = ranks.told(lambda: _config(source, options))
    header = TokenizerHeader(
        provenance=provenance("lapsmodels", parameters=options.as_json(), parents=seen.parents),
        config=config,
        views=source.views,
        weights=weights_digest(b""),
    )
    planned = Planned(config, options, options, source, val, header, _state_key(seen.key), asked.out)
    run = TrainingRun(planned, ranks, lambda: _announce(planned, seen.key, take))
    left = planned.steps - len(run.losses)
    shown = console.progress("train", left, unit="steps", none=False)
    with shown if ranks.first else contextlib.nullcontext(lambda _: None) as advance:
        model = run.finish(advance)
    # Of the weights that are taken, which need not be the last ones.
    used = judge(model, source, options, ranks)
    judged = None if val is None else judge(model, val, options, ranks)
    whole = header.model_copy(update={"trained": _told(planned, run, options, used, judged)})
    if ranks.first:
        whole = _finish(planned, model, whole)
    ranks.wait()
    return whole


def _sources(
    files: Sequence[Path], judged_by: Sequence[Path], options: TrainStageOptions
) -> tuple[MotionSource, MotionSource | None]:
    """Return what is learned from, and what it is judged by."""
    from lapsdata.loading import open_windows
    from lapsmodels.training.source import MotionSource
    from lapsmodels.training.split import refuse_shared, split_videos

    if not files:
        raise SchemaError(Problem("no-tracks", "tracks", "expected tracks, got none"))
    source = MotionSource(open_windows(list(files)))
    if judged_by:
        val = MotionSource(open_windows(list(judged_by)))
        refuse_shared(source.videos, val.videos)
        source.require_like(val)
        return source, val
    if options.val is None:
        return source, None
    names, judging = split_videos(source.videos, options.val, options.seed)
    return source.only(names), source.only(judging)


def _config(source: MotionSource, options: TrainStageOptions) -> TokenizerConfig:
    shape = {"views": len(source.views), "points": source.points, "horizon": source.horizon}
    changes: dict[str, Any] = {"seen_only": options.seen_only, "inside_only": options.inside_only}
    config = PRESETS[options.preset].model_copy(update={**shape, **changes, "rounding": options.rounding})
    if options.window_per_s is not None:
        grid = class_grid(options.window_per_s, _rate_hz(source), config.reach)
        config = config.model_copy(update={"class_size": grid})
    return config.model_copy(update={"scale": _scale(source, config)}) if options.scaled else config


def _rate_hz(source: MotionSource) -> float:
    """Return the rate of all tracks; where it is variable, that of the median interval between frames."""
    rates, files = [], source.windows.files_of(np.arange(len(source)))
    for number in np.unique(files).tolist():
        header = source.headers[number]
        if header.rate is not None:
            rates.append((header.rate.hz, header.video.name))
        else:
            ids = np.flatnonzero(files == number)[:_SAMPLE]
            step_s = source.windows.gather(ids, fields=["step_s"])["step_s"]
            rates.append((1 / float(np.median(np.diff(step_s, axis=1))), header.video.name))
    low, high = min(rates), max(rates)
    if unlike_hz(high[0], low[0]):
        message = f"expected tracks of one rate, got {low[0]:.4g} Hz of {low[1]} and {high[0]:.4g} Hz of {high[1]}"
        fix = (
            "track all videos alike (lapsdata track --fps), or let classes be of steps and not of time: "
            "--as-published, or in a recipe train.window_per_s=null"
        )
        raise SchemaError(Problem("unlike-rates", "tracks", message, fix))
    return float(high[0])


def _one_rate(source: MotionSource) -> FrameRate | None:
    """Return the rate of all tracks, where they have one."""
    files = np.unique(source.windows.files_of(np.arange(len(source)))).tolist()
    rates = {source.headers[number].rate for number in files}
    return rates.pop() if len(rates) == 1 else None


def _scale(source: MotionSource, config: TokenizerConfig) -> float:
    """Return what makes the root mean square of the velocities that are known 1; 1 where nothing moves."""
    import torch

    from lapsmodels.training.motion import motion
    from lapsmodels.training.source import stacked

    ids = np.unique(np.linspace(0, len(source) - 1, min(len(source), _SAMPLE)).round().astype(np.int64))
    squares = known = 0.0
    for first in range(0, len(ids), 256):
        batch = {name: torch.from_numpy(array) for name, array in source.gather(ids[first : first + 256]).items()}
        moved, _ = motion(*stacked(batch, source.views), config)
        squares += float(moved.velocities.double().square().sum())
        known += 2 * int(moved.known.sum())
    return float(np.sqrt(known / squares)) if squares > 0 else 1.0


def _announce(planned: Planned, key: str, take: contextlib.ExitStack | None) -> None:
    """Make the folder and write down what the training is, before its first step."""
    if take is not None:
        with storage_errors(planned.folder, "make the folder"):
            planned.folder.mkdir(parents=True, exist_ok=True)
        take.enter_context(locked_folder(planned.folder))
        if any(planned.folder.iterdir()):
            message = "expected a folder that nobody else has just made, got one with files"
            raise StorageError(Problem("in-use", str(planned.folder), message, "run it again"))
    header = TrainingHeader(
        provenance=planned.header.provenance,
        key=key,
        train=planned.source.videos,
        val=() if planned.judged_by is None else planned.judged_by.videos,
        steps=planned.steps,
        steps_per_epoch=planned.per_epoch,
    )
    write_sealed_json(planned.folder / _TRAINING, header, overwrite=True)


def _told(
    planned: Planned, run: TrainingRun, options: TrainStageOptions, used: EpochUse, judged: EpochUse | None
) -> Trained:
    tenth = max(1, planned.steps // 10)
    return Trained(
        windows=len(planned.source),
        rate=_one_rate(planned.source),
        corrections=options.corrections,
        steps=planned.steps,
        epochs=planned.steps / planned.per_epoch,
        taken_from=run.taken_from,
        share=run.share,
        first_loss=float(np.mean(run.losses[:tenth])),
        last_loss=float(np.mean(run.losses[-tenth:])),
        train=used,
        val=judged,
    )


def _finish(planned: Planned, model: Any, header: TokenizerHeader) -> TokenizerHeader:  # noqa: ANN401 - imported late
    """Write the tokenizer, and then that it is finished: as many epochs are done as were planned."""
    files, whole = tokenizer_files(model, header)
    for name, content in files.items():
        with atomic_file(planned.folder / name, overwrite=True) as temporary:
            temporary.write_bytes(content)
    write_sealed_json(planned.folder / FINISHED, whole.trained, overwrite=True)  # type: ignore[arg-type]  # just set
    return whole

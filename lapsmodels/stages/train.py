"""From files of tracks to a motion tokenizer: resumed where it was stopped, to the same weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata import console
from lapsdata.errors import Problem, SchemaError, UnknownFormatError
from lapsdata.execution.manifest import work_key
from lapsdata.provenance import code_digest, parent, provenance, warn_of_other_code
from lapsdata.stages import Output, settle
from lapsdata.storage.atomic import storage_errors
from lapsmodels.stages._threads import threads
from lapsmodels.stages.train_options import TrainStageOptions
from lapsmodels.tokenizer.checkpoint import (
    TokenizerHeader,
    Trained,
    read_tokenizer_header,
    save_tokenizer,
    weights_digest,
)
from lapsmodels.tokenizer.config import PRESETS
from lapsmodels.tokenizer.corrections import class_grid

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from lapsdata.containers import Tracks
    from lapsdata.schema.base import Parent
    from lapsmodels.tokenizer.config import TokenizerConfig
    from lapsmodels.training.loop import Training
    from lapsmodels.training.windows import MotionWindows

__all__ = ["codebook_problems", "state_file", "train_tokenizer"]

# Changes of it change what the same options make of the same tracks.
_STAGE, _VERSION = "train", "2"
# Medians of variable rates are never quite equal.
_SAME_RATE = 1.01


def train_tokenizer(
    files: Sequence[Path], out: Path, options: TrainStageOptions | None = None, *, force: bool = False
) -> Output[TokenizerHeader]:
    """Train a tokenizer on files of tracks, all of one horizon and number of points.

    One that was trained on these files in this way is kept. A training that was stopped goes on from its last state
    and comes to the same weights. All windows are held in memory.

    Parameters
    ----------
    files : sequence of Path
        One per video.
    out : Path
        Folder of the tokenizer.
    options : TrainStageOptions, optional
    force : bool
        Train again what is done.

    Raises
    ------
    SchemaError
        No tracks, or tracks that are not alike.
    CorruptDataError
        A file of tracks, or the state of a training that was stopped, is damaged.
    StorageError
        Something else is in the place of the output, or it cannot be written.

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
    chosen = options or TrainStageOptions()
    parents = [parent("tracks", path) for path in files]
    key = work_key(_STAGE, _VERSION, chosen.as_json(), parents)

    def known(path: Path) -> tuple[str | None, TokenizerHeader]:
        if not (path / "tokenizer.json").exists():
            raise UnknownFormatError(Problem("unknown-format", str(path), "expected a tokenizer, got something else"))
        header = read_tokenizer_header(path)
        made = header.provenance
        ours = made.producer == "lapsmodels"
        return work_key(_STAGE, _VERSION, made.parameters, made.parents) if ours else None, header

    def make(overwrite: bool) -> TokenizerHeader:
        return _trained(files, out, chosen, parents, key, overwrite=overwrite)

    output = settle(out, key, read=known, make=make, force=force)
    if not output.made:
        warn_of_other_code(output.content.provenance, str(out))
    # A process that was killed between its last two steps has left it.
    with storage_errors(state_file(out), "remove"):
        state_file(out).unlink(missing_ok=True)
    return output


def state_file(out: Path) -> Path:
    """Return where the state of a training stands until its tokenizer does.

    Examples
    --------
    >>> import pathlib
    >>> state_file(pathlib.Path("run/tokenizer")).name
    'tokenizer.training'
    """
    return out.with_name(f"{out.name}.training")


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
    trained = header.trained
    if trained is None or not trained.codebook.collapsed:
        return ()
    message = f"expected codes that tell motions apart, got a collapsed codebook: {trained.codebook}"
    fix = "where something moves, train for more steps (steps), or look at the tracks"
    return (Problem("collapsed-codebook", "tokenizer", message, fix, "warning"),)


def _trained(
    files: Sequence[Path],
    out: Path,
    options: TrainStageOptions,
    parents: Sequence[Parent],
    key: str,
    *,
    overwrite: bool,
) -> TokenizerHeader:
    from lapsmodels.training.loop import begin, classes_of, train, use_of
    from lapsmodels.training.state import load_state, save_state
    from lapsmodels.training.windows import motion_windows

    tracks = list(_read(files))
    views = sorted(tracks[0].header.views) if tracks else []
    windows = motion_windows(tracks, views)
    config = _config(tracks, windows, views, options)
    del tracks
    state, state_key = state_file(out), f"{key} {code_digest('lapsmodels')}"
    with threads(options.threads):
        training = load_state(state, config, options, state_key)
        if training is None:
            training = begin(config, options)
        else:
            console.note(f"train: goes on from step {training.step} of {options.steps}, where it was stopped")
        with console.progress("train", options.steps - training.step, unit="steps") as advance:
            train(training, windows, options, save=lambda now: save_state(state, now, state_key), tell=advance)
        use = use_of(training.model, windows)
    tenth = max(1, options.steps // 10)
    header = TokenizerHeader(
        provenance=provenance("lapsmodels", parameters=options.as_json(), parents=parents),
        config=config,
        views=tuple(views),
        weights=weights_digest(b""),
        trained=Trained(
            windows=len(windows),
            unseen_share=windows.filled_share,
            outside=windows.outside,
            corrections=options.corrections,
            classes=classes_of(windows, config),
            steps=options.steps,
            first_loss=_mean(training, slice(0, tenth)),
            last_loss=_mean(training, slice(-tenth, None)),
            codebook=use,
        ),
    )
    return save_tokenizer(out, training.model, header, overwrite=overwrite)


def _read(files: Sequence[Path]) -> Iterator[Tracks]:
    from lapsdata.containers import Tracks
    from lapsdata.formats import read

    return (read(path, Tracks) for path in files)


def _config(
    tracks: Sequence[Tracks], windows: MotionWindows, views: Sequence[str], options: TrainStageOptions
) -> TokenizerConfig:
    header = tracks[0].header
    shape = {"views": len(views), "points": header.views[views[0]].points, "horizon": header.horizon}
    changes: dict[str, object] = {"seen_only": options.seen_only, "inside_only": options.inside_only}
    config = PRESETS[options.preset].model_copy(update={**shape, **changes, "rounding": options.rounding})
    if options.window_per_s is not None:
        grid = class_grid(options.window_per_s, _rate_hz(tracks), config.reach)
        config = config.model_copy(update={"class_size": grid})
    return config.model_copy(update={"scale": windows.scale}) if options.scaled else config


def _rate_hz(tracks: Sequence[Tracks]) -> float:
    """Return the rate of all tracks; where it is variable, that of the median interval between frames."""
    rates = [
        (one.header.rate.hz if one.header.rate else 1 / float(np.median(np.diff(one.frame_s))), one.header.video.name)
        for one in tracks
    ]
    (low, slow), (high, fast) = min(rates), max(rates)
    if high > _SAME_RATE * low:
        message = f"expected tracks of one rate, got {low:.4g} Hz of {slow} and {high:.4g} Hz of {fast}"
        fix = "track all videos alike (--rate), or set window_per_s to null: the classes are then of steps, not of time"
        raise SchemaError(Problem("unlike-rates", "tracks", message, fix))
    return high


def _mean(training: Training, steps: slice) -> float:
    return float(np.mean(training.losses[steps]))

"""From energies and what they are held against to the threshold that does best: true segments, or another energy."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lapsdata.errors import Problem, SchemaError, listed
from lapsdata.provenance import parent, provenance
from lapsdata.schema.base import Record, Tool
from lapsdata.schema.threshold import (
    CURVE_POINTS,
    BoundarySearch,
    LabelSearch,
    LeaveOneOut,
    LeftOutThreshold,
    ThresholdChance,
    ThresholdRecord,
)
from lapsdata.stages._header_key import key_now, key_of
from lapsdata.stages._output import Output, settle
from lapsdata.stages._search_options import SearchOptions
from lapsdata.stages.evaluate import CONSTANT_ENERGY
from lapsdata.stages.threshold import measured_record, read_threshold, record_problems, told_threshold
from lapsdata.storage.sealed_json import write_sealed_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.containers import Energies, Segments
    from lapsdata.schema.base import Parent
    from lapsdata.schema.result import BoundaryResult
    from lapsdata.segmenters.state_machine import StateMachine
    from lapsdata.stages._boundary_search import Swept

__all__ = ["LabelOptions", "SearchOptions", "label_threshold", "search_threshold"]

_STAGE = "threshold"


class LabelOptions(Record):
    """How the threshold that agrees best with another energy is searched for.

    Examples
    --------
    >>> LabelOptions().objective
    'f1'
    """

    objective: Literal["f1", "youden"] = "f1"
    """What is made as high as possible: F1 of the active rows, or Youden's J."""
    labels: Literal["otsu", "otsu-linear"] | float = "otsu"
    """From where on the other energy is active: Otsu's threshold, on logarithms or not, or a number."""
    alignment: Literal["rows", "middles"] = "rows"
    """`rows`: both have rows of the same times, anything else is an error; `middles`: the label of the row around the
    middle of each."""


def search_threshold(
    energies: Path,
    truth: Path,
    out: Path,
    options: SearchOptions | None = None,
    *,
    rate: str | float | None = None,
    split: str | None = None,
    force: bool = False,
) -> tuple[Output[ThresholdRecord], tuple[Problem, ...]]:
    """Find the threshold whose segments have the best boundaries; one that was found so already is kept.

    Every threshold there is counts: one per piece that the energies part them into (`many_thresholds`), with the very
    segments of the state machine, scored by maximum matching. Give those of a train split: a threshold that has seen
    the videos it is scored on is no score.

    Parameters
    ----------
    energies : Path
    truth : Path
        True segments; see `lapsdata.stages.segments_source.read_segments`, as of `rate` and `split`.
    out : Path
        A JSON file.
    options : SearchOptions, optional
    rate : str or float, optional
        Frames per second of labels per frame.
    split : str, optional
        Its videos alone, such as `train.split1`; energies of others are left out, and counted.
    force : bool

    Returns
    -------
    output : Output
    problems : tuple of Problem
        What looks wrong: a threshold that parts nothing, or is not above chance.

    Raises
    ------
    SchemaError
        Videos, times or rules that do not fit; no energy; more thresholds than `most`.
    StorageError
        Something else is in the place of the output, or it cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import lapsdata
    >>> from lapsdata.segmenters import segment
    >>> from lapsdata.segmenters.state_machine import StateMachine
    >>> from lapsdata.testing.samples import sample_energies
    >>> folder, energies = pathlib.Path(tempfile.mkdtemp()), sample_energies(steps=40)
    >>> _ = lapsdata.write(folder / "energies.jsonl", energies)
    >>> machine = StateMachine(threshold=0.5, up_s=0.0, down_s=0.0)
    >>> _ = lapsdata.write(folder / "truth.parquet", segment(energies, machine))
    >>> options = SearchOptions(tolerance_s=0.05, segmenter={"up_s": 0.0, "down_s": 0.0})
    >>> files = (folder / name for name in ("energies.jsonl", "truth.parquet", "threshold.json"))
    >>> output, _ = search_threshold(*files, options)
    >>> output.content.boundary_search.score
    1.0
    """
    chosen = options or SearchOptions()
    if split is not None:
        chosen = chosen.model_copy(update={"extra": "leave_out"})
    told = chosen.as_json() | {name: one for name, one in {"rate": rate, "split": split}.items() if one is not None}
    parents = [parent("energies", energies), parent("truth", truth)]

    def make() -> ThresholdRecord:
        from lapsdata.containers import Energies
        from lapsdata.formats import read

        return _searched(read(energies, Energies), _reader(truth, rate, split), chosen, told, parents)

    return _settled(out, told, parents, make, force=force)


def label_threshold(
    energies: Path, labels: Path, out: Path, options: LabelOptions | None = None, *, force: bool = False
) -> tuple[Output[ThresholdRecord], tuple[Problem, ...]]:
    """Find the threshold that agrees best with what another energy takes for active; one found so already is kept.

    As LAPS does (video_action_segmenter/compute_best_threshold.py): Otsu's method on the velocities says which windows
    are active, and every threshold of another energy is judged by that. No truth is needed, and none is looked at: how
    well the labels are is not known.

    Parameters
    ----------
    energies : Path
    labels : Path
        Another energy of the same videos.
    out : Path
        A JSON file.
    options : LabelOptions, optional
    force : bool

    Returns
    -------
    output : Output
    problems : tuple of Problem

    Raises
    ------
    SchemaError
        Other videos, rows of other times (`windows-differ`), labels of one kind (`one-class`), no energy.
    StorageError
        Something else is in the place of the output, or it cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import lapsdata
    >>> from lapsdata.testing.samples import sample_energies
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for name in ("quantized.jsonl", "velocity.jsonl"):
    ...     _ = lapsdata.write(folder / name, sample_energies())
    >>> files = (folder / name for name in ("quantized.jsonl", "velocity.jsonl", "threshold.json"))
    >>> label_threshold(*files, LabelOptions(labels=0.5))[0].content.label_search.score
    1.0
    """
    chosen = options or LabelOptions()
    told = chosen.as_json()
    parents = [parent("energies", energies), parent("labels", labels)]

    def make() -> ThresholdRecord:
        from lapsdata.containers import Energies
        from lapsdata.formats import read

        return _labelled(read(energies, Energies), read(labels, Energies), chosen, told, parents)

    return _settled(out, told, parents, make, force=force)


def _settled(
    out: Path, told: dict[str, Any], parents: list[Parent], make: Callable[[], ThresholdRecord], *, force: bool
) -> tuple[Output[ThresholdRecord], tuple[Problem, ...]]:
    def known(path: Path) -> tuple[str | None, ThresholdRecord]:
        found = read_threshold(path)
        return key_of(_STAGE, found.provenance), found

    def written(overwrite: bool) -> ThresholdRecord:
        record = make()
        write_sealed_json(out, record, overwrite=overwrite)
        return record

    output = settle(out, key_now(_STAGE, told, parents), read=known, make=written, force=force)
    return output, record_problems(output.content)


def _reader(path: Path, rate: str | float | None, split: str | None) -> Callable[[Segments], Segments]:
    """Return what reads the truth, told what it is for."""
    from lapsdata.stages.segments_source import read_segments

    return lambda found: read_segments(path, rate=rate, split=split, found=found).segments


def _searched(
    energies: Energies,
    truth_for: Callable[[Segments], Segments],
    options: SearchOptions,
    told: dict[str, Any],
    parents: list[Parent],
) -> ThresholdRecord:
    from lapsdata.metrics.sweeps import true_videos
    from lapsdata.segmenters import EnergySeries, segment
    from lapsdata.segmenters.state_machine import StateMachine
    from lapsdata.stages._boundary_search import BoundaryTrain, TrainVideo

    parameters: dict[str, Any] = dict(options.segmenter)
    machine = StateMachine(threshold=1.0, **parameters)
    truth = truth_for(_nothing_found(energies, machine))
    known = {video.name for video in truth.header.videos}
    unknown = [name for name in energies.header.videos if name not in known]
    _expect_all_measured(energies, known)
    if options.extra == "leave_out":
        energies = _of_videos(energies, known)
    videos, policies = true_videos(
        truth, _nothing_found(energies, machine), extra=options.extra, end_slack_s=options.end_slack_s
    )
    series = {one.video: one for one in EnergySeries.each_of(energies)}
    train = [TrainVideo(series[video.name], video, machine, options.tolerance_s) for video in videos]
    coarse = options.beyond == "coarse_to_fine"
    swept = BoundaryTrain(train, options.objective, machine.off_ratio).search(
        options.most, coarse=coarse, leave_one_out=options.leave_one_out
    )
    machine = machine.model_copy(update={"threshold": swept.best.value})
    found = segment(energies, machine)
    result = _scored(energies, truth, found, machine, options)
    score = _score(result, 0, options)
    return measured_record(
        swept.best.value,
        energies,
        method="boundary_search",
        policies=policies | ({"without_truth_left_out": len(unknown)} if unknown else {}),
        provenance=provenance(parameters=told, parents=parents),
        boundary_search=BoundarySearch(
            objective=options.objective,
            rules=result.rules,
            segmenter=Tool(name=machine.name, version=machine.version, parameters=machine.parameters),
            videos=len(videos),
            truth_digest=result.truth_digest,
            ended_by=dict(sorted(Counter(found.end_reason).items())),
            chance=_chance(result, options),
            leave_one_out=_without_each(swept) if options.leave_one_out else None,
            not_positive=swept.pieces.not_positive,
            search="exact" if len(swept.pieces) == swept.candidates else "coarse_to_fine",
            **_tried(swept, score),
        ),
    )


def _tried(swept: Swept, score: float) -> dict[str, Any]:
    """Return what the record of a search says of its thresholds."""
    return {
        "score": score,
        "candidates": swept.candidates,
        "tried": len(swept.pieces),
        "plateau_low": swept.best.low,
        "plateau_high": swept.best.high,
        "other_plateaus": swept.best.others,
        "reaches": swept.reaches,
        "curve": _curve(swept.pieces.value, swept.scores, swept.best.value, score, (swept.best.first, swept.best.last)),
    }


def _curve(
    thresholds: NDArray[np.float64], scores: NDArray[np.float64], value: float, score: float, best: tuple[int, int]
) -> tuple[tuple[float, float], ...]:
    """Return some points, evenly by their order: all but those of the best stretch, for which its middle stands."""
    others = np.concatenate([np.arange(best[0]), np.arange(best[1] + 1, len(thresholds))])
    some = np.linspace(0, max(0, len(others) - 1), min(len(others), CURVE_POINTS - 1)).round().astype(np.int64)
    points = [(float(thresholds[at]), float(scores[at])) for at in others[some]]
    return tuple(sorted([*points, (value, score)]))


def _without_each(swept: Swept) -> LeaveOneOut:
    videos = tuple(LeftOutThreshold(video=name, threshold=at, score=f) for name, at, f in swept.left_out)
    thresholds = [one.threshold for one in videos]
    return LeaveOneOut(
        videos=videos,
        score=float(np.mean([one.score for one in videos])),
        lowest=min(thresholds),
        median=float(np.median(thresholds)),
        highest=max(thresholds),
    )


def _scored(
    energies: Energies, truth: Segments, found: Segments, machine: StateMachine, options: SearchOptions
) -> BoundaryResult:
    """Score the threshold as everyone scores segments: by the machine itself, and beside chance."""
    from lapsdata.metrics import evaluate_boundaries
    from lapsdata.segmenters import constant_energy_segments

    return evaluate_boundaries(
        truth,
        found,
        tolerances_s=(options.tolerance_s,),
        extra=options.extra,
        end_slack_s=options.end_slack_s,
        draws=1,
        chance={CONSTANT_ENERGY: constant_energy_segments(energies, machine, level=machine.threshold)},
    )


def _score(result: BoundaryResult, row: int, options: SearchOptions) -> float:
    score = result.rows[row].scores[0]
    return score.macro.f if options.objective == "f_macro" else score.micro.f


def _chance(result: BoundaryResult, options: SearchOptions) -> ThresholdChance:
    places = {row.name: at for at, row in enumerate(result.rows)}
    metronome = places["uniform_best_period"]
    periods: Any = result.rows[metronome].parameters["period_s"]
    return ThresholdChance(
        uniform_best_period=_score(result, metronome, options),
        period_s=periods[0],
        constant_energy=_score(result, places[CONSTANT_ENERGY], options),
    )


def _labelled(
    energies: Energies, labels: Energies, options: LabelOptions, told: dict[str, Any], parents: list[Parent]
) -> ThresholdRecord:
    from lapsdata.metrics.sweeps import frame_sweep, widest_plateau
    from lapsdata.segmenters.many_thresholds import pieces_of
    from lapsdata.stages._boundary_search import Swept
    from lapsdata.stages._pseudo_labels import labelled_rows
    from lapsdata.stages.threshold import threshold_options

    theirs = told_threshold(labels, threshold_options(str(options.labels)))
    rows = labelled_rows(energies, labels, theirs.value, options.alignment)
    sweep = frame_sweep(rows.energy, rows.active)
    scores = sweep.score(options.objective)
    best = widest_plateau(scores, sweep.low, sweep.high)
    # A row is active or not, without another side: these are the pieces of the sweep.
    swept = Swept(pieces_of([rows.energy], off_ratio=1.0), scores, best, len(scores), [])
    return measured_record(
        best.value,
        energies,
        method="pseudo_labels",
        policies=rows.policies,
        provenance=provenance(parameters=told, parents=parents),
        label_search=LabelSearch(
            objective=options.objective,
            alignment=options.alignment,
            labels_source=labels.header.source,
            labels_mode=labels.header.mode,
            labels_method=theirs.method,
            labels_threshold=theirs.value,
            rows=len(rows.energy),
            active=sweep.active,
            search="exact",
            **_tried(swept, float(scores[best.first])),
        ),
    )


def _nothing_found(energies: Energies, machine: StateMachine) -> Segments:
    """Return segments of the videos of the energies, with their times and no segment."""
    from lapsdata.segmenters import Segmentation, found_segments

    return found_segments(energies, [Segmentation((), {})] * len(energies.header.videos), machine)


def _expect_all_measured(energies: Energies, names: set[str]) -> None:
    """Refuse energies of some videos of a truth; those of none are told with the names of both."""
    lacking = names.difference(energies.header.videos)
    if lacking and lacking != names:
        message = f"expected energies of every video of the truth, got none of {listed(sorted(lacking))}"
        fix = "measure them too, or give the truth of the others alone"
        raise SchemaError(Problem("no-energies", "energies", message, fix))


def _of_videos(energies: Energies, names: set[str]) -> Energies:
    """Return the energies of some videos."""
    from dataclasses import replace

    videos = tuple(name for name in energies.header.videos if name in names)
    if not videos:
        message = "expected a video that is in both, got none of the truth among the energies"
        raise SchemaError(Problem("no-common-video", "energies", message, "compare the names; they have no ending"))
    place = np.array([videos.index(name) if name in names else -1 for name in energies.header.videos])
    video = place[energies.video_index]
    rows = video >= 0
    columns: Mapping[str, Any] = {
        name: getattr(energies, name)[rows] for name in ("index", "start_s", "end_s", "energy", "state")
    }
    header = energies.header.model_copy(update={"videos": videos})
    return replace(energies, header=header, video_index=video[rows], **columns)

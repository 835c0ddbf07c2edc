"""From features and a robot's motion to an action probe, beside its controls."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import numpy as np
from pydantic import Field

from lapsdata.errors import Problem, SchemaError
from lapsdata.metrics.grouped_ridge import LEAST_SPREAD, STRENGTHS
from lapsdata.metrics.probe import FeatureSet, HowProbed, ProbedRows, probe_rows
from lapsdata.provenance import parent, provenance
from lapsdata.schema.base import Count, Name, Positive, Record
from lapsdata.schema.probe import LeftOutVideo, ProbedGroup, ProbeResult, ProbeRules
from lapsdata.stages._header_key import key_now, key_of
from lapsdata.stages._motion_table import read_motion
from lapsdata.stages._output import Output, settle
from lapsdata.stages._probe_features import RAW_FLOW, TRACKS, How, VideoSet, joined, read_sets
from lapsdata.stages.energies import energy_files
from lapsdata.storage.sealed_json import read_sealed_json, write_sealed_json
from lapsdata.storage.text_table import read_text_table
from lapsdata.transforms.over_spans import over_spans
from lapsdata.transforms.step_features import Per, TokenPart

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from lapsdata.schema.base import Parent
    from lapsdata.stages._motion_table import Quantities
    from lapsdata.stages._probe_features import GivenSets

    Floats = NDArray[np.float64]

__all__ = ["ProbeOptions", "probe_features", "probe_files", "read_groups", "score_probe"]

_STAGE = "probe"
_SUFFIXES = (".h5", ".hdf5", ".zarr", ".jsonl")


class ProbeOptions(Record):
    """The rules of an action probe; see also `lapsdata.schema.ProbeRules`.

    Examples
    --------
    >>> ProbeOptions(groups={"same schedule": ("clip_1", "clip_2")}).target
    'velocity'
    """

    target: Literal["value", "velocity"] = "velocity"
    """What is told of each quantity: its mean over the time of a row, or its mean rate of change there, per second."""
    columns: tuple[str, ...] = ()
    """Quantities of the table: `name`, `name[3]` or `name[22:29]`; none takes all columns."""
    groups: dict[Name, tuple[Name, ...]] = Field(default_factory=dict)
    """Videos that are held out together, by the name of the group; every other video is a group of its own."""
    per: Per = "step"
    """Whether a row is a motion step or a whole window."""
    latents: TokenPart | None = None
    """Of tokens: latents after or before quantisation, or codes; null takes the first of these that they hold."""
    view: Annotated[str, Field(min_length=1)] | None = None
    """View of the tracks; needed where there are several."""
    flow_cells: Positive = 8
    """Cells along each side of the picture, of the row `raw_flow`."""
    strengths: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)] = STRENGTHS
    """Strengths of the ridge that are tried, per row that is learned from, rising."""
    folds: Annotated[int, Field(ge=2)] = 10
    """Parts, at most, that the groups are dealt into; each is held out once."""
    inner_folds: Annotated[int, Field(ge=2)] = 5
    """The same, of the groups that are learned from, to choose the strength."""
    time_degree: Positive = 5
    """Powers of time in the row `time`."""
    draws: Positive = 20
    """How often targets are shuffled."""
    random_draws: Positive = 3
    """How often features are drawn."""
    max_gap_s: Annotated[float, Field(gt=0)] | None = None
    """Longest time between two samples of the truth that is bridged; null takes 1.5 times the median one."""
    seed: Count = 0
    """Of everything that is drawn."""


def probe_files(given: Sequence[Path]) -> list[Path]:
    """Return the files of features that are named, or lie in folders that are, by name.

    Raises
    ------
    UnknownFormatError, StorageError
        A file that is named is none of ours, or not there.
    SchemaError
        A folder that is named holds none.

    Examples
    --------
    >>> import tempfile
    >>> import lapsdata
    >>> from lapsdata.testing.samples import sample_energies
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = lapsdata.write(folder / "energies.jsonl", sample_energies())
    >>> [path.name for path in probe_files([folder])]
    ['energies.jsonl']
    """
    return energy_files(given, _SUFFIXES)


def read_groups(texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Read which videos are held out together.

    Parameters
    ----------
    texts : sequence of str
        Each `NAME=VIDEO,VIDEO...`, or a CSV file with the columns `video` and `group`.

    Raises
    ------
    StorageError
        A file that is not there.
    SchemaError
        Other columns, a group without a video, or a video in two groups.

    Examples
    --------
    >>> read_groups(["same=clip_1,clip_2", "other=clip_3"])
    {'same': ('clip_1', 'clip_2'), 'other': ('clip_3',)}
    """
    found: dict[str, list[str]] = {}
    for text in texts:
        name, equals, videos = text.partition("=")
        pairs = [(video.strip(), name.strip()) for video in videos.split(",")] if equals else _pairs(Path(text))
        for video, group in pairs:
            if not video or not group:
                message = f"expected a group and its videos, got {video!r} in {group!r}"
                raise SchemaError(Problem("wrong-group", text, message, "write NAME=VIDEO,VIDEO"))
            found.setdefault(group, []).append(video)
    every = [video for videos in found.values() for video in videos]
    twice = sorted({video for video in every if every.count(video) > 1})
    if twice:
        raise SchemaError(Problem("doubled-video", "groups", f"expected each video in one group, got {twice[0]} twice"))
    return {group: tuple(videos) for group, videos in found.items()}


def _pairs(path: Path) -> list[tuple[str, str]]:
    columns, rows, _ = read_text_table(path)
    if not {"video", "group"} <= set(columns):
        message = f"expected the columns video and group, got {', '.join(columns) or 'none'}"
        raise SchemaError(Problem("wrong-columns", str(path), message))
    video, group = columns.index("video"), columns.index("group")
    return [(row[video], row[group]) for row in rows]


def score_probe(
    files: Sequence[Path], truth: Path, out: Path, options: ProbeOptions | None = None, *, force: bool = False
) -> Output[ProbeResult]:
    """Probe features for a robot's motion; a result that was made so already is kept.

    Parameters
    ----------
    files : sequence of Path
        Tokens, tracks and energies.
    truth : Path
        A table of the motion; see `lapsdata.stages._motion_table.read_motion`.
    out : Path
        A JSON file.
    options : ProbeOptions, optional
    force : bool

    Raises
    ------
    SchemaError
        Fewer than two groups with a row that has a partner in time; what reading or `grouped_ridge` refuse.
    StorageError
        Something else is in the place of the output, or it cannot be written.

    Examples
    --------
    See `probe_features`.
    """
    chosen = options or ProbeOptions()
    parents = _parents(files, truth)

    def known(path: Path) -> tuple[str | None, ProbeResult]:
        found = read_sealed_json(path, ProbeResult)
        return key_of(_STAGE, found.provenance), found

    def make(overwrite: bool) -> ProbeResult:
        result = _probed(files, truth, chosen, parents)
        write_sealed_json(out, result, overwrite=overwrite)
        return result

    return settle(out, key_now(_STAGE, chosen.as_json(), parents), read=known, make=make, force=force)


def probe_features(files: Sequence[Path], truth: Path, options: ProbeOptions | None = None) -> ProbeResult:
    r"""Return what `score_probe` writes.

    Raises
    ------
    SchemaError
        As `score_probe`.

    Examples
    --------
    >>> import tempfile
    >>> import lapsdata
    >>> from lapsdata.schema import SourceVideo
    >>> from lapsdata.testing.samples import sample_tracks
    >>> folder, rows = Path(tempfile.mkdtemp()), ["video,time_s,elbow"]
    >>> for number in range(3):
    ...     made = sample_tracks(windows=20, seed=number, video=SourceVideo(name=f"clip_{number}"))
    ...     _ = lapsdata.write(folder / f"{number}.h5", made)
    ...     rows += [f"clip_{number},{at / 10},{(at * 7 + number) % 5}" for at in range(23)]
    >>> _ = (folder / "motion.csv").write_text("\n".join(rows))
    >>> found = probe_features([folder / f"{number}.h5" for number in range(3)], folder / "motion.csv")
    >>> [row.name for row in found.rows]
    ['tracks', 'shuffled_tracks', 'time', 'raw_flow', 'random_features']
    """
    return _probed(files, truth, options or ProbeOptions(), _parents(files, truth))


def _parents(files: Sequence[Path], truth: Path) -> list[Parent]:
    return [*(parent("features", path) for path in files), parent("truth", truth)]


class _Video(NamedTuple):
    """Rows of one video that have a partner in time."""

    name: str
    time_s: Floats
    target: Floats
    features: dict[str, Floats]


def _probed(files: Sequence[Path], truth: Path, options: ProbeOptions, parents: Sequence[Parent]) -> ProbeResult:
    given = read_sets(files, How(options.per, options.latents, options.view, options.flow_cells))
    motion = read_motion(truth, options.columns)
    policies = _counts_of(given, motion)
    videos, left_out = _joined(given, motion, options, policies)
    groups = _groups(videos, options.groups, policies)
    rows = _rows(videos, groups)
    how = HowProbed(
        strengths=options.strengths,
        folds=options.folds,
        inner_folds=options.inner_folds,
        time_degree=options.time_degree,
        draws=options.draws,
        random_draws=options.random_draws,
        seed=options.seed,
    )
    sets = [_features(name, one, videos) for name, one in given.sets.items()]
    flow = None if given.raw_flow is None else _features(RAW_FLOW, given.raw_flow, videos)
    # The points of tracks are the flow itself.
    made = probe_rows(sets, rows, raw_flow=flow, projected=[name for name in given.sets if name != TRACKS], how=how)
    policies["constant_quantities"] = sum(value is None for value in made[0].quantities)
    return ProbeResult(
        provenance=provenance(parameters=options.as_json(), parents=parents),
        policies=policies,
        rules=_rules(options, len(groups)),
        truth_digest=motion.digest,
        quantities=motion.names,
        groups=groups,
        left_out=left_out,
        rows=made,
    )


def _rules(options: ProbeOptions, groups: int) -> ProbeRules:
    folds = min(options.folds, groups)
    return ProbeRules(
        target=options.target,
        per=options.per,
        least_spread=LEAST_SPREAD,
        strengths=options.strengths,
        folds=folds,
        inner_folds=options.inner_folds,
        time_degree=options.time_degree,
        flow_cells=options.flow_cells,
        max_gap_s=options.max_gap_s,
    )


def _counts_of(given: GivenSets, motion: Quantities) -> dict[str, int]:
    names = {video for one in given.sets.values() for video in one.videos}
    flow = () if given.raw_flow is None else given.raw_flow.videos.values()
    return {
        "rows_outside_the_truth": 0,
        "rows_in_a_gap_of_the_truth": 0,
        "rows_without_features": 0,
        "truth_samples_not_finite": sum(int(np.isnan(one.value).any(axis=1).sum()) for one in motion.videos.values()),
        "truth_videos_without_features": len(motion.videos.keys() - names),
        "flow_steps_beyond_the_picture": sum(one.left_out for one in flow),
    }


def _joined(
    given: GivenSets, motion: Quantities, options: ProbeOptions, policies: dict[str, int]
) -> tuple[list[_Video], tuple[LeftOutVideo, ...]]:
    """Return the rows that have a partner in time, by video, and the videos that have none."""
    sets = dict(given.sets) if given.raw_flow is None else {**given.sets, RAW_FLOW: given.raw_flow}
    base = next(iter(given.sets.values()))
    videos, left_out = [], []
    for name in sorted({video for one in sets.values() for video in one.videos}):
        why: Literal["no_features", "no_truth", "no_rows"] = "no_rows"
        if any(name not in one.videos for one in sets.values()):
            why = "no_features"
        elif name not in motion.videos:
            why = "no_truth"
        else:
            found = _of_video(name, base.videos[name].span_s, sets, motion, options, policies)
            if len(found.time_s):
                videos.append(found)
                continue
        left_out.append(LeftOutVideo(name=name, why=why))
    if not videos:
        told = ", ".join(f"{one.name} ({one.why})" for one in left_out[:3])
        message = f"expected rows of features with a truth at their time, got none: {told}"
        fix = "the truth must name videos as the features do, and tell seconds of the video"
        raise SchemaError(Problem("no-partner", "truth", message, fix))
    return videos, tuple(left_out)


def _of_video(
    name: str,
    span_s: Floats,
    sets: Mapping[str, VideoSet],
    motion: Quantities,
    options: ProbeOptions,
    policies: dict[str, int],
) -> _Video:
    told = motion.videos[name]
    target = over_spans(told.time_s, told.value, span_s, options.target, max_gap_s=options.max_gap_s)
    policies["rows_outside_the_truth"] += int(target.outside.sum())
    policies["rows_in_a_gap_of_the_truth"] += int(target.in_gap.sum())
    features = {one: joined(span_s, rows.videos[name]) for one, rows in sets.items()}
    partner = ~target.outside & ~target.in_gap
    # A row that says nothing at all of one set would be judged by the mean alone.
    full = np.all([np.isfinite(value).any(axis=1) for value in features.values()], axis=0)
    policies["rows_without_features"] += int((partner & ~full).sum())
    kept = partner & full
    return _Video(
        name,
        span_s[kept].mean(axis=1),
        target.value[kept],
        {one: value[kept] for one, value in features.items()},
    )


def _groups(
    videos: Sequence[_Video], declared: Mapping[str, tuple[str, ...]], policies: dict[str, int]
) -> tuple[ProbedGroup, ...]:
    of = {video: group for group, members in declared.items() for video in members}
    rows = {video.name: len(video.time_s) for video in videos}
    members: dict[str, list[str]] = {}
    for name in rows:
        if name not in of and name in declared:
            message = f"expected another name for the group, got that of a video outside of it: {name}"
            raise SchemaError(Problem("group-is-a-video", "groups", message))
        members.setdefault(of.get(name, name), []).append(name)
    policies["grouped_videos_not_there"] = len(of.keys() - rows.keys())
    if len(members) < 2:
        message = f"expected at least two groups of videos, of which one is held out, got {', '.join(members)} alone"
        raise SchemaError(Problem("too-few-groups", "groups", message, "give features of more videos"))
    return tuple(
        ProbedGroup(name=group, videos=tuple(names), rows=sum(rows[name] for name in names))
        for group, names in sorted(members.items())
    )


def _rows(videos: Sequence[_Video], groups: Sequence[ProbedGroup]) -> ProbedRows:
    number = {video: at for at, group in enumerate(groups) for video in group.videos}
    lengths = [len(video.time_s) for video in videos]
    return ProbedRows(
        target=np.concatenate([video.target for video in videos]),
        video=np.repeat(np.arange(len(videos)), lengths),
        group=np.repeat([number[video.name] for video in videos], lengths),
        time_s=np.concatenate([video.time_s for video in videos]),
    )


def _features(name: str, one: VideoSet, videos: Sequence[_Video]) -> FeatureSet:
    return FeatureSet(name, np.concatenate([video.features[name] for video in videos]), parameters=one.parameters)

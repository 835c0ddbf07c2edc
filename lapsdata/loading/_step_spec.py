"""The specification of samples: made of what was asked for, compared with another one, and what statistics say."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from lapsdata.errors import Problem, Problems, SchemaError, listed
from lapsdata.loading._step_transform import transform_name
from lapsdata.loading.source import unlike_names
from lapsdata.provenance import provenance
from lapsdata.schema import FeatureStats, FieldNormalisation, StepField, StepSpec
from lapsdata.schema.base import canonical_json
from lapsdata.schema.feature_stats import MOMENTS, QUANTILES
from lapsdata.schema.step_spec import NORMALISATIONS, NormalisationMode
from lapsdata.storage.episode_rows import EpisodeRows
from lapsdata.transforms.episode_stats import episode_stats

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import ArrayLike, NDArray

    from lapsdata.containers import Episodes
    from lapsdata.loading._step_changes import StepChanges
    from lapsdata.loading._step_meta import StepMeta
    from lapsdata.loading._step_options import StepOptions
    from lapsdata.loading._step_transform import StepTransform
    from lapsdata.loading.source import BatchSpec
    from lapsdata.schema import EpisodesHeader
    from lapsdata.schema.episodes import StepKind

    OneStats = FeatureStats | Mapping[str, ArrayLike]

__all__ = [
    "expect_specification",
    "fingerprint_of",
    "normalisations",
    "require_specification",
    "specification",
    "stats_of_rows",
]

_FIX = "open them with StepDataset.from_spec, or state the same options"
_FIX_OF_STEPS = "the data sets store actions in other senses: lapsdata convert --actions makes them alike"
_FIX_OF_NAMES = "where they are the same numbers by other words, make the words alike in a copy of meta/info.json"


def normalisations(
    asked: Mapping[str, str] | None,
    stats: Mapping[str, OneStats] | None,
    header: EpisodesHeader,
    spec: BatchSpec,
    others: Mapping[str, str],
    *,
    changed: frozenset[str],
    deltas: frozenset[str],
    clip: bool,
) -> dict[str, FieldNormalisation]:
    """Return how fields are scaled, with the numbers of statistics.

    Parameters
    ----------
    asked : mapping of str
        Modes by field; "none" is none.
    stats : mapping of mappings, or of FeatureStats
        By feature, camera or group: mean, std, min, max, q01, q99. Those of a group are cut from those of its feature.
    header : EpisodesHeader
    spec : BatchSpec
        Of fields before they are scaled.
    others : mapping of str
        Further names of features and cameras; what has one is scaled under that name alone.
    changed : frozenset of str
        Fields whose numbers are not the stored ones any more: statistics of the stored ones are not theirs.
    deltas : frozenset of str
        Fields that are given at several times.
    clip : bool

    Raises
    ------
    SchemaError
        Fields and modes that are not known, statistics that are missing, of other shapes or no numbers: all of them.
    """
    found = Problems("normalize")
    told_of = _numbers_of(stats or {})
    done = {}
    cameras = {camera.name for camera in header.cameras}
    cameras |= {name for name, of in others.items() if of in cameras}
    known = [name for name in spec if name not in cameras or np.issubdtype(spec[name].dtype, np.floating)]
    for name, mode in (asked or {}).items():
        if mode != "none" and mode not in get_args(NormalisationMode):
            words = ", ".join(map(repr, ("none", *get_args(NormalisationMode))))
            found.add("unknown-choice", name, f"expected one of {words}, got {mode!r}")
        elif name in cameras and name not in known:
            found.add("wrong-value", name, "expected frames of float32, got uint8", 'add image_type="float32"')
        elif name not in known:
            found.add("unknown-field", name, f"expected some of {listed(known, 12)}, got {name!r}")
        elif mode != "none":
            shape = (3, 1, 1) if name in cameras else spec[name].shape[1 if name in deltas else 0 :]
            wanted = NORMALISATIONS[mode]  # type: ignore[index]  # it is one of them
            told = _stats_of(name, told_of, header, own=name in changed)
            one = _normalisation(name, told, mode, wanted, shape, found, clip=clip and mode != "mean_std")
            if one is not None:
                done[name] = one
    if clip and not found and not any(one.clip for one in done.values()):
        found.add("wrong-value", "clip", "expected a field of min_max or q01_q99 to be clipped, got none")
    found.raise_as(SchemaError)
    return done


def _numbers_of(stats: Mapping[str, OneStats]) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Return statistics as numbers in row-major order, by field and kind: of a record those that it knows.

    Raises
    ------
    SchemaError
        What is no number.
    """
    found = Problems("stats")
    numbers: dict[str, dict[str, NDArray[np.float64]]] = {}
    for name, one in stats.items():
        if isinstance(one, FeatureStats):
            known = {kind: one.array(kind) for kind in (*MOMENTS, *QUANTILES)}
            numbers[name] = {kind: values.reshape(-1) for kind, values in known.items() if values is not None}
            continue
        numbers[name] = {}
        for kind, values in one.items():
            try:
                numbers[name][kind] = np.asarray(values, np.float64).reshape(-1)
            except (TypeError, ValueError):
                found.add("wrong-value", f"{name}: {kind}", f"expected numbers, got {values!r}")
    found.raise_as(SchemaError)
    return numbers


def _stats_of(
    name: str, stats: Mapping[str, dict[str, NDArray[np.float64]]], header: EpisodesHeader, *, own: bool
) -> dict[str, NDArray[np.float64]] | None:
    """Return the statistics of a field; those of a group from its feature, unless they must be its own."""
    if name in stats:
        return stats[name]
    group = next((one for one in header.groups if one.name == name), None)
    if group is None or own or group.feature not in stats:
        return None
    shape = next(one.shape for one in header.features if one.name == group.feature)
    size = int(np.prod(shape, dtype=np.int64))
    parts = {}
    for kind, flat in stats[group.feature].items():
        parts[kind] = flat[group.start : group.stop] if len(flat) == size else flat[:0]
    return parts


def _normalisation(
    name: str,
    told: dict[str, NDArray[np.float64]] | None,
    mode: str,
    wanted: tuple[str, str],
    shape: tuple[int, ...],
    found: Problems,
    *,
    clip: bool,
) -> FieldNormalisation | None:
    if told is None or not set(wanted) <= set(told):
        got = "none" if told is None else ", ".join(told) or "none"
        fix = f"stats={{{name!r}: {{{wanted[0]!r}: ..., {wanted[1]!r}: ...}}}}"
        found.add("no-statistics", name, f"expected {wanted[0]} and {wanted[1]} of its numbers, got {got}", fix)
        return None
    size = int(np.prod(shape, dtype=np.int64))
    pair = {kind: told[kind] for kind in wanted}
    wrong = [f"{len(one)} in {kind}" for kind, one in pair.items() if len(one) != size]
    if wrong or not all(np.isfinite(one).all() for one in pair.values()):
        got = " and ".join(wrong) or "NaN or infinity"
        found.add("wrong-statistics", name, f"expected {size} finite numbers for {shape}, got {got}")
        return None
    every = {kind: one.tolist() for kind, one in told.items() if np.isfinite(one).all()}
    digest = f"sha256:{hashlib.sha256(canonical_json(every)).hexdigest()}"
    values: Any = {kind: tuple(one.tolist()) for kind, one in pair.items()}
    choice: Any = mode
    try:
        return FieldNormalisation(mode=choice, shape=shape, values=values, clip=clip, stats_digest=digest)
    except SchemaError as error:
        found.extend(problem.within(name) for problem in error.problems)
        return None


def specification(
    header: EpisodesHeader,
    spec: BatchSpec,
    stored: BatchSpec,
    offsets: Mapping[str, NDArray[np.int64]],
    options: StepOptions,
    changes: StepChanges,
    transform: StepTransform | None,
) -> StepSpec:
    """Return the specification of samples that hold `spec`, made of what is `stored`."""
    pixels: Any = options.pixels  # no other than the two that `StepOptions.check` lets pass
    centred = sum(one.centred_only for one in changes.normalise.values())
    return StepSpec(
        provenance=provenance(),
        policies={"centred_only": centred} if centred else {},
        rate=header.rate,
        fields=tuple(StepField(name=name, dtype=one.dtype.name, shape=one.shape) for name, one in spec.items()),
        delta_timestamps={name: tuple((rows / header.rate.hz).tolist()) for name, rows in offsets.items()},
        image_type=options.image_type,
        pixels=pixels,
        decoder=options.decoder,
        rotations=dict(changes.rotations),
        relative=dict(changes.relative),
        steps=_stored_steps(header, spec),
        names=_stored_names(stored, [*spec, *changes.relative.values()]),
        normalise=dict(changes.normalise),
        transform=None if transform is None else transform_name(transform),
    )


def fingerprint_of(episodes: Episodes, told: Mapping[str, Any], arrays: Iterable[NDArray[np.int64]]) -> str:
    """Return what tells steps from others, 16 hex digits, of what is told of them and of whole numbers."""
    digest = hashlib.sha256(canonical_json({"header": episodes.header.as_json(), **told}))
    for array in (episodes.number, episodes.rows, *arrays):
        digest.update(np.ascontiguousarray(array, "<i8").tobytes())
    return digest.hexdigest()[:16]


def _stored_steps(header: EpisodesHeader, spec: BatchSpec) -> dict[str, StepKind]:
    """Return which fields of samples, or parts of them, are stored as steps."""
    groups = {group.name: group for group in header.groups}
    shapes = {feature.name: feature.shape for feature in header.features}
    found: dict[str, StepKind] = {}
    for name in spec:
        if name in groups:
            group = groups[name]
            inside, wide = header.steps_within(group.feature, group.start, group.stop), group.stop - group.start
        elif name in shapes:
            wide = shapes[name][0] if shapes[name] else 1
            inside = header.steps_within(name, 0, wide)
        else:
            continue
        found |= {name if span == f"0:{wide}" else f"{name}[{span}]": kind for span, kind in inside.items()}
    return found


def _stored_names(stored: BatchSpec, fields: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return what the numbers of fields are called where they are told of."""
    called = {name: stored[name].names for name in fields}
    return {name: names for name, names in called.items() if names is not None}


def expect_specification(given: object, options: Iterable[str] = ()) -> None:
    """Refuse what is no record of samples, as the bytes that hold one, and options that such a record decides.

    Raises
    ------
    SchemaError
        With what to do.
    """
    if not isinstance(given, StepSpec):
        message = f"expected a StepSpec, got {type(given).__name__}"
        fix = "make one of the bytes of a checkpoint with StepSpec.parse; that of steps is steps.specification"
        raise SchemaError(Problem("wrong-type", "specification", message, fix))
    own = {"delta_timestamps", "fields", "image_type", "pixels", "normalize", "stats", "rotations", "relative"}
    if twice := sorted((own | {"clip", "decoder"}) & set(options)):
        message = f"expected what the specification does not decide, got {', '.join(twice)}"
        raise SchemaError(Problem("wrong-option", "options", message))


def require_specification(found: StepSpec, wanted: StepSpec, where: str) -> None:
    """Refuse samples of another specification.

    Raises
    ------
    SchemaError
        Each place where the two differ; what is no specification.
    """
    expect_specification(wanted)
    problems = Problems(f"{where}: specification")
    one, other = _by_name(found), _by_name(wanted)
    names, wanted_names = one.pop("names", {}), other.pop("names", {})
    problems.extend(_differences(one, other, ""))
    # Of what one of the two does not say, nothing is known.
    for name in [name for name in wanted_names if name in names]:
        if names[name] != wanted_names[name]:
            message = unlike_names(wanted_names[name], names[name])
            problems.add("unlike-specification", f"names: {name}", message, _FIX_OF_NAMES)
    problems.raise_as(SchemaError)


def _by_name(spec: StepSpec) -> dict[str, Any]:
    """Return what decides samples, fields by their names."""
    document: dict[str, Any] = spec.deciding()
    fields = document["fields"]
    return document | {"fields": {one.pop("name"): one for one in fields}}


def _differences(found: Any, wanted: Any, where: str) -> Iterator[Problem]:  # noqa: ANN401 - JSON
    if isinstance(found, dict) and isinstance(wanted, dict):
        for name in [*wanted, *(name for name in found if name not in wanted)]:
            place = f"{where}: {name}" if where else name
            yield from _differences(found.get(name), wanted.get(name), place)
    elif found != wanted:
        fix = _FIX_OF_STEPS if where.startswith("steps") else _FIX
        yield Problem("unlike-specification", where, f"expected {_told(wanted)}, got {_told(found)}", fix)


def _told(value: Any) -> str:  # noqa: ANN401 - JSON
    if value is None:
        return "nothing"
    text = canonical_json(value).decode() if not isinstance(value, str) else repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


def stats_of_rows(
    meta: StepMeta, chosen: NDArray[np.int64], normalize: Mapping[str, str], others: Mapping[str, str]
) -> Mapping[str, FeatureStats]:
    """Return the statistics of what is scaled, from the rows of the chosen episodes; of those with numbers in rows."""
    header = meta.episodes.header
    features = {group.name: group.feature for group in header.groups} | dict(others)
    numeric = {feature.name for feature in header.features if feature.dtype != "text"}
    wanted = {features.get(name, name) for name, how in normalize.items() if how != "none"} & numeric
    if not wanted:
        return {}
    quantiles = "q01_q99" in normalize.values()
    rows = EpisodeRows(meta.root, meta.episodes)
    return episode_stats(rows, meta.episodes, sorted(wanted), places=chosen.tolist(), quantiles=quantiles)

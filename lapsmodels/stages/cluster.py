"""From tokens, and segments if there are any, to clusters with their scores, or to segments with embeddings."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, NamedTuple

from pydantic import Field

from lapsdata.adapters.laps.codes import read_code_files, recognises_codes
from lapsdata.errors import Problem, SchemaError, UnknownFormatError, listed, warn
from lapsdata.execution.manifest import work_key
from lapsdata.provenance import parent, provenance, warn_of_other_code
from lapsdata.schema import ClusterResult, ClusterRules, LabelCount, canonical_json
from lapsdata.schema.base import Count, Positive
from lapsdata.stages._output import Output, settle
from lapsdata.stages.segments_source import read_segments
from lapsdata.storage.atomic import atomic_folder, storage_errors
from lapsdata.storage.sealed_json import read_sealed_json, write_sealed_json
from lapsmodels.clustering.clusterers import Clusterer, balanced_rows, cluster_vectors
from lapsmodels.clustering.comparison import How, compared
from lapsmodels.clustering.embeddings import NEED_LATENTS, Embedding, embed
from lapsmodels.clustering.encoder import EncoderOptions, load_encoder, save_encoder
from lapsmodels.clustering.sequences import StepChoice, cut_sequences, whole_videos
from lapsmodels.stages._own_key import own_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from pydantic import JsonValue

    from lapsdata.containers import Segments, Tokens
    from lapsdata.schema.base import Parent
    from lapsmodels.clustering.clusterers import Clustering
    from lapsmodels.clustering.embeddings import Embedded
    from lapsmodels.clustering.encoder import Encoder
    from lapsmodels.clustering.sequences import Sequences

__all__ = ["CLUSTERS", "PICTURE", "RESULT", "ClusterOptions", "EmbedOptions", "cluster_tokens", "embed_tokens"]

# Changes of it change what the same tokens come to.
_CLUSTER, _EMBED, _VERSION = "cluster", "embed", "1"
RESULT, CLUSTERS, PICTURE, UMAP = "result.json", "clusters.parquet", "clusters.png", "umap.png"
"""Files in the folder of a clustering; the picture by UMAP only if it was asked for."""


class EmbedOptions(EncoderOptions):
    """Which sequences are taken, and what makes a vector of one.

    Examples
    --------
    >>> EmbedOptions(embedding="bag").steps
    'once'
    """

    embedding: Embedding = "mean"
    """What makes a vector of a sequence."""
    steps: StepChoice = "once"
    """Which code a step has that lies in several windows: one, or each."""
    piece_s: Annotated[float, Field(gt=0)] | None = None
    """Without segments: seconds of the pieces that videos are cut into; null takes each video whole."""
    longest_quantile: Annotated[float, Field(gt=0, le=1)] = 0.95
    """Of `lstm` and `transformer`: sequences longer than this quantile of all lengths lose their end."""
    rate_hz: Annotated[str, Field(pattern=r"^[0-9]+(/[0-9]+|\.[0-9]+)?$")] | None = None
    """Frames per second of `*.codes.json`, as they were really run; null for tokens, which have times."""
    seed: Count = 0
    """Of everything that is drawn."""


class ClusterOptions(EmbedOptions):
    """How sequences are clustered, and beside what they are scored.

    Examples
    --------
    >>> ClusterOptions(clusters=6).clusterer
    'kmeans'
    """

    clusterer: Clusterer = "kmeans"
    """What makes clusters of vectors."""
    clusters: Annotated[int, Field(ge=2)] | None = None
    """How many; null takes the number whose silhouette is highest."""
    most_clusters: Annotated[int, Field(ge=2)] = 10
    """Up to which number that is looked for."""
    min_cluster_size: Annotated[int, Field(ge=2)] = 5
    """Of `hdbscan`."""
    balanced: bool = False
    """Fit on as many sequences of each label as the rarest has; the others then get the nearest cluster."""
    activity: str | None = None
    """A regular expression of which the first group, in the name of a video, is its activity."""
    draws: Positive = 20
    """How often labels are dealt out anew."""
    umap: bool = False
    """Draw them by UMAP too: a picture, and no measure."""


class _Made(NamedTuple):
    sequences: Sequences
    embedded: Embedded


def cluster_tokens(
    files: Sequence[Path],
    out: Path,
    options: ClusterOptions | None = None,
    *,
    segments: Path | None = None,
    encoder: Path | None = None,
    force: bool = False,
) -> Output[ClusterResult]:
    """Cluster the sequences of tokens, and score the clusters beside controls; what was done so already is kept.

    Parameters
    ----------
    files : sequence of Path
        Tokens, one file per video; or one folder of LAPS's `*.codes.json`.
    out : Path
        Folder of the result, the clusters as segments, the pictures and, of `lstm`, the encoder.
    options : ClusterOptions, optional
    segments : Path, optional
        Segments as `lapsdata.stages.segments_source.read_segments` takes them; without any, each video or piece is a
        sequence.
    encoder : Path, optional
        Folder of a trained encoder for `lstm`, in place of training one.
    force : bool

    Raises
    ------
    SchemaError
        What the rooms of `lapsmodels.clustering` refuse, or an activity that is not in the name of a video.
    MissingExtraError
        scikit-learn, or for that picture umap-learn, is not installed.
    StorageError
        Something else is in the place of the output, or it cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import lapsdata
    >>> from lapsdata.testing.samples import sample_tokens
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = lapsdata.write(folder / "clip.zarr", sample_tokens(windows=40))
    >>> options = ClusterOptions(embedding="bag", piece_s=0.5, clusters=2)
    >>> [cluster_tokens([folder / "clip.zarr"], folder / "out", options).fate for _ in range(2)]
    ['made', 'kept']
    """
    chosen = options or ClusterOptions()
    parents = _parents(files, segments, encoder)

    def known(path: Path) -> tuple[str | None, ClusterResult]:
        if path.is_dir() and not (path / RESULT).exists():
            raise UnknownFormatError(Problem("unknown-format", str(path), f"expected {RESULT} in it, got none"))
        found = read_sealed_json(path / RESULT if path.is_dir() else path, ClusterResult)
        return own_key(_CLUSTER, _VERSION, found.provenance), found

    def make(overwrite: bool) -> ClusterResult:
        return _cluster(_make(files, chosen, segments, encoder), out, chosen, parents, overwrite=overwrite)

    key = work_key(_CLUSTER, _VERSION, chosen.as_json(), parents)
    output = settle(out, key, read=known, make=make, force=force)
    if not output.made:
        warn_of_other_code(output.content.provenance, str(out))
    return output


def embed_tokens(
    files: Sequence[Path],
    out: Path,
    options: EmbedOptions | None = None,
    *,
    segments: Path | None = None,
    encoder: Path | None = None,
    force: bool = False,
) -> Output[Segments]:
    """Write segments with the vector of each as the column `embedding`; nothing is clustered, nor standardised.

    Parameters
    ----------
    files, options, segments, encoder, force
        See `cluster_tokens`.
    out : Path
        A Parquet file.

    Raises
    ------
    SchemaError, StorageError
        As `cluster_tokens`.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import lapsdata
    >>> from lapsdata.testing.samples import sample_tokens
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = lapsdata.write(folder / "clip.zarr", sample_tokens(latent=2))
    >>> embed_tokens([folder / "clip.zarr"], folder / "embedded.parquet").content.embedding.shape
    (1, 2)
    """
    from lapsdata.containers import Segments
    from lapsdata.formats import read, write

    chosen = options or EmbedOptions()
    parents = _parents(files, segments, encoder)

    def known(path: Path) -> tuple[str | None, Segments]:
        found = read(path, Segments)
        return own_key(_EMBED, _VERSION, found.header.provenance), found

    def make(overwrite: bool) -> Segments:
        made = _make(files, chosen, segments, encoder)
        found = _with_vectors(made, chosen.as_json(), parents)
        write(out, found, overwrite=overwrite)
        return found

    return settle(out, work_key(_EMBED, _VERSION, chosen.as_json(), parents), read=known, make=make, force=force)


def _parents(files: Sequence[Path], segments: Path | None, encoder: Path | None) -> list[Parent]:
    if not files:
        raise SchemaError(Problem("no-tokens", "tokens", "expected tokens, got none", "see `lapsdata encode --help`"))
    given = [*(("tokens", path) for path in files), ("segments", segments), ("encoder", encoder)]
    return [parent(role, path) for role, path in given if path is not None]


def _make(files: Sequence[Path], options: EmbedOptions, segments: Path | None, encoder: Path | None) -> _Made:
    trained: Encoder | EncoderOptions = options if encoder is None else load_encoder(encoder)
    if encoder is not None and options.embedding != "lstm":
        message = f"expected none with {options.embedding}, which nothing is learned for, got one"
        raise SchemaError(Problem("wrong-option", "encoder", message, "leave it out, or choose lstm"))
    sequences = _sequences(files, options, segments)
    made = embed(
        sequences,
        options.embedding,
        encoder=trained,
        longest_quantile=options.longest_quantile,
        seed=options.seed,
    )
    return _Made(sequences, made)


def _sequences(files: Sequence[Path], options: EmbedOptions, segments: Path | None) -> Sequences:
    latents = options.embedding in NEED_LATENTS
    if options.rate_hz is not None or any(map(recognises_codes, files)):
        return _of_laps(files, options, segments)
    if segments is not None:
        if options.piece_s is not None:
            message = "expected segments or pieces, got both"
            raise SchemaError(Problem("wrong-option", "piece_s", message, "leave one of them out"))
        return cut_sequences(_each(files), read_segments(segments).segments, choice=options.steps, latents=latents)
    return whole_videos(list(_each(files)), piece_s=options.piece_s, choice=options.steps, latents=latents)


def _each(files: Sequence[Path]) -> Iterator[Tokens]:
    from lapsdata.containers import Tokens
    from lapsdata.formats import read

    for path in files:
        yield read(path, Tokens)


def _of_laps(files: Sequence[Path], options: EmbedOptions, segments: Path | None) -> Sequences:
    """Return the sequences of `*.codes.json`: they are segments already."""
    from lapsmodels.clustering.sequences import Sequences

    if len(files) != 1 or segments is not None or options.piece_s is not None:
        message = "expected one folder of *.codes.json, which are segments already, got more beside it"
        raise SchemaError(Problem("wrong-option", "rate", message, "leave out --rate for tokens of ours"))
    found = read_code_files(files[0], rate=options.rate_hz)
    for note in found.notes:
        if note.severity == "warning":
            warn(str(note))
    # How many there can be is not in the files.
    codes = 1 + max(int(one.max()) for one in found.segments.codes or ())
    return Sequences(found.segments, codes, found.latents, dict(found.segments.header.policies))


def _with_vectors(made: _Made, told: dict[str, JsonValue], parents: Sequence[Parent]) -> Segments:
    found, vectors = made.sequences.segments, made.embedded.vectors.astype("float32")
    header = found.header.model_copy(
        update={
            "provenance": provenance("lapsmodels", parameters=told, parents=parents),
            "policies": {**found.header.policies, **_policies(made)},
            "embedding": vectors.shape[1],
        }
    )
    return replace(found, header=header, embedding=vectors)


def _policies(made: _Made) -> dict[str, int]:
    lengths = made.embedded.lengths
    cut = {} if lengths.longest is None else {"cut_sequences": lengths.cut, "cut_codes": lengths.cut_codes}
    return made.sequences.policies | cut


def _cluster(
    made: _Made, out: Path, options: ClusterOptions, parents: Sequence[Parent], *, overwrite: bool
) -> ClusterResult:
    sequences, embedded = made
    labels = sequences.segments.label
    rows = balanced_rows(labels, seed=options.seed) if options.balanced else None
    activities = None if options.activity is None else _activities(sequences.videos, options.activity)
    found = cluster_vectors(
        embedded.ready,
        options.clusterer,
        clusters=options.clusters,
        most=options.most_clusters,
        least_size=options.min_cluster_size,
        rows=rows,
        seed=options.seed,
    )
    how = How(options.clusterer, options.min_cluster_size, rows, options.draws, options.seed)
    told = provenance("lapsmodels", parameters=options.as_json(), parents=parents)
    result = ClusterResult(
        provenance=told,
        policies=_policies(made),
        rules=_rules(options),
        sequences=len(sequences),
        videos=len(set(sequences.videos)),
        lengths=embedded.lengths,
        labels=_counted(labels),
        truth_digest=_digest(sequences) if any(label is not None for label in labels) else None,
        tried=found.tried,
        training=None if embedded.encoder is None else embedded.encoder.training,
        rows=compared(sequences, options.embedding, embedded.ready, found, activities, how),
    )
    with storage_errors(out, "make the folder"):
        out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_folder(out, overwrite=overwrite) as folder:
        _write(folder, made, found, result, options)
    return result


def _write(folder: Path, made: _Made, found: Clustering, result: ClusterResult, options: ClusterOptions) -> None:
    from lapsdata.formats import write
    from lapsmodels.clustering.picture import clusters_png, umap_plane, umap_png

    write_sealed_json(folder / RESULT, result)
    write(folder / CLUSTERS, _as_segments(made, found.of, result))
    labels = made.sequences.segments.label
    pictures = {PICTURE: clusters_png(result, made.embedded.ready, found.of, labels)}
    if options.umap:
        pictures[UMAP] = umap_png(umap_plane(made.embedded.ready, seed=options.seed), found.of)
    for name, content in pictures.items():
        (folder / name).write_bytes(content)
    if made.embedded.encoder is not None:
        save_encoder(folder, made.embedded.encoder, result.provenance)


def _as_segments(made: _Made, of: NDArray[np.int64], result: ClusterResult) -> Segments:
    """Return the segments with their cluster as label: none where they are in none."""
    found = _with_vectors(made, result.provenance.parameters, result.provenance.parents)
    names = tuple(f"cluster_{number}" for number in range(int(of.max()) + 1))
    header = found.header.model_copy(update={"labels": names})
    return replace(found, header=header, label=tuple(names[one] if one >= 0 else None for one in of.tolist()))


def _rules(options: ClusterOptions) -> ClusterRules:
    density = options.clusterer == "hdbscan"
    sizes = {"min_cluster_size": options.min_cluster_size}
    numbers: dict[str, JsonValue] = {"clusters": options.clusters, "most_clusters": options.most_clusters}
    return ClusterRules(
        embedding=options.embedding,
        clusterer=options.clusterer,
        parameters={**(sizes if density else numbers), "seed": options.seed},
        chosen_by="density" if density else "silhouette" if options.clusters is None else "given",
        fitted_on="balanced" if options.balanced else "all",
    )


def _counted(labels: Sequence[str | None]) -> tuple[LabelCount, ...]:
    names = sorted({label for label in labels if label is not None})
    return tuple(LabelCount(name=name, sequences=labels.count(name)) for name in names)


def _digest(sequences: Sequences) -> str:
    found = sequences.segments
    rows: list[JsonValue] = [
        [video, start, end, label]
        for video, start, end, label in zip(
            sequences.videos, found.start_s.tolist(), found.end_s.tolist(), found.label, strict=True
        )
    ]
    return f"sha256:{hashlib.sha256(canonical_json(rows)).hexdigest()}"


def _activities(videos: Sequence[str], pattern: str) -> list[str]:
    try:
        told = re.compile(pattern)
    except re.error as error:
        raise SchemaError(
            Problem("wrong-pattern", "activity", f"expected a regular expression, got: {error}")
        ) from None
    if not told.groups:
        message = f"expected a group in parentheses, got {pattern!r}"
        raise SchemaError(Problem("wrong-pattern", "activity", message, r"as in '^S\d+_(\w+)_C\d+$'"))
    found = {video: told.search(video) for video in videos}
    missing = sorted(video for video, match in found.items() if match is None or match[1] is None)
    if missing:
        message = f"expected an activity in the name of each video, got none in {listed(missing)}"
        raise SchemaError(Problem("no-activity", "activity", message, "mend the expression"))
    return [match[1] for video in videos if (match := found[video]) is not None]

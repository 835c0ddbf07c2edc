"""`lapsdata cluster`: sequences of codes in, clusters and their scores beside controls out."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from lapsdata import console
from lapsdata.verbs import Json, output_folder
from lapsmodels.commands._threads import patient_threads

__all__ = ["PLUGIN"]


class _Embedding(StrEnum):
    BAG = "bag"
    MEAN = "mean"
    ATTN_NORM = "attn_norm"
    LSTM = "lstm"
    TRANSFORMER = "transformer"
    DURATION = "duration"
    RANDOM_PROJECTION = "random_projection"


class _Clusterer(StrEnum):
    KMEANS = "kmeans"
    GMM = "gmm"
    HDBSCAN = "hdbscan"


class _Steps(StrEnum):
    ONCE = "once"
    ALL = "all"


def cluster(
    files: Annotated[
        list[Path],
        typer.Argument(help="Tokens, one file per video, or a folder of them; or, with --rate, *.codes.json of LAPS."),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            parser=output_folder,
            help="Folder of the result; with --embed-only a file.parquet.",
            metavar="PATH",
        ),
    ],
    segments: Annotated[
        Path | None, typer.Option(help="Whose codes are a sequence each; labels are scored by.", metavar="FILE")
    ] = None,
    piece: Annotated[
        float | None, typer.Option(help="Without segments: seconds of a sequence; else whole videos.", metavar="S")
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            help=f"What makes a vector of a sequence: {', '.join(_Embedding)}; or the folder of an encoder that `lstm` "
            "has left.",
            metavar="NAME|FOLDER",
        ),
    ] = "mean",
    clusterer: Annotated[_Clusterer, typer.Option(help="What makes clusters of vectors.")] = _Clusterer.KMEANS,
    clusters: Annotated[
        int | None, typer.Option(min=2, help="How many; by default as the silhouette is highest.", metavar="K")
    ] = None,
    most_clusters: Annotated[int, typer.Option(min=2, help="Up to which number that is looked for.", metavar="K")] = 10,
    min_cluster_size: Annotated[int, typer.Option(min=2, help="Of hdbscan.", metavar="N")] = 5,
    balanced: Annotated[
        bool, typer.Option("--balanced", help="Fit on as many sequences of each label as the rarest has.")
    ] = False,
    activity: Annotated[
        str | None,
        typer.Option(help="Regular expression; its group, in the name of a video, is the activity.", metavar="REGEX"),
    ] = None,
    steps: Annotated[
        _Steps, typer.Option(help="Which code a step has that lies in several windows: one, or each.")
    ] = _Steps.ONCE,
    longest_quantile: Annotated[
        float, typer.Option(help="Of lstm and transformer: longer sequences lose their end.", metavar="Q")
    ] = 0.95,
    epochs: Annotated[int, typer.Option(min=1, help="Of lstm: at most.")] = 60,
    val: Annotated[str, typer.Option(help="Of lstm: share of videos that stop it early, or `none`.")] = "0.2",
    rate: Annotated[
        str | None, typer.Option(help="Of *.codes.json: frames per second as it was run.", metavar="FPS")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything that is drawn.")] = 0,
    umap: Annotated[bool, typer.Option("--umap", help="Draw them by UMAP too: a picture, no measure.")] = False,
    embed_only: Annotated[
        bool, typer.Option("--embed-only", help="Write segments with a column `embedding`, and no clusters.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Do again what is done.")] = False,
    json: Json = False,
) -> None:
    """Cluster segments by their codes, beside controls.

    Clusters of durations alone, of randomly projected codes, and labels that were dealt out anew stand in the same
    table; a sentence says where the clusters are not above them. Noise is scored as a cluster and left out.
    """
    patient_threads()
    from lapsmodels.stages.cluster import ClusterOptions, EmbedOptions, cluster_tokens, embed_tokens

    embedding, encoder = (model, None) if model in set(_Embedding) else ("lstm", Path(model))
    if encoder is not None and not encoder.exists():
        message = f"expected {', '.join(_Embedding)}, or the folder of an encoder, got {model!r}"
        raise typer.BadParameter(message, param_hint="--model")
    told: dict[str, Any] = {
        "embedding": embedding, "steps": steps.value, "piece_s": piece, "longest_quantile": longest_quantile,
        "epochs": epochs, "val": _share(val), "rate_hz": rate, "seed": seed,
    }  # fmt: skip
    given = _tokens(files, rate)
    if embed_only:
        embedded = embed_tokens(given, out, EmbedOptions(**told), segments=segments, encoder=encoder, force=force)
        _tell({"out": str(out), **embedded.content.facts(), "done": embedded.fate}, json=json)
        return
    options = ClusterOptions(
        **told,
        clusterer=clusterer.value,
        clusters=clusters,
        most_clusters=most_clusters,
        min_cluster_size=min_cluster_size,
        balanced=balanced,
        activity=activity,
        umap=umap,
    )
    output = cluster_tokens(given, out, options, segments=segments, encoder=encoder, force=force)
    if json:
        console.write_json(output.content.as_json())
        return
    _show(output.content, out)


def _tokens(files: list[Path], rate: str | None) -> list[Path]:
    from lapsdata.adapters.laps.codes import recognises_codes
    from lapsdata.stages.energies import energy_files

    # Those of LAPS are refused where they are read, with what they lack.
    return files if rate is not None or any(map(recognises_codes, files)) else energy_files(files)


def _share(text: str) -> float | None:
    if text == "none":
        return None
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"expected a share above 0 and below 1, or `none`, got {text!r}") from None


def _tell(facts: dict[str, str], *, json: bool) -> None:
    if json:
        console.write_json(facts)
    else:
        console.write_facts(facts)


def _show(result: Any, out: Path) -> None:  # noqa: ANN401 - a record that is imported late
    from lapsmodels.clustering.table import cluster_table
    from lapsmodels.stages.cluster import PICTURE

    for line in cluster_table(result).splitlines():
        console.write(line)
    console.note(f"cluster: {out / PICTURE} shows them")


PLUGIN = cluster

"""`lapsdata compare`: scores of one truth beside each other, and how sure their difference is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lapsdata import console
from lapsdata.verbs import Average, Json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lapsdata.metrics.paired import PairedDifference, PairedLabelDifference
    from lapsdata.schema import TrackingResult

__all__ = ["PLUGIN"]


def compare(
    scores: Annotated[list[Path], typer.Argument(help="Scores, as `lapsdata evaluate` writes them; two or more.")],
    average: Annotated[Average, typer.Option(help="Over videos, or over all boundaries.")] = Average.MACRO,
    draws: Annotated[int, typer.Option(help="How often the videos are drawn anew.", min=1)] = 10_000,
    seed: Annotated[int, typer.Option(help="Of these draws.", min=0)] = 0,
    json: Json = False,
) -> None:
    """Put scores of one truth side by side.

    The first is held against each other one. Scores of other rules, of another truth or of other frames per second are
    refused, and what differs is named. How sure a difference is, is told by drawing the videos anew, both predictions
    on the same ones. Scores of tracks are compared with scores of tracks: all trackers of all files.
    """
    from lapsdata.metrics import paired_differences, paired_label_differences
    from lapsdata.metrics.difference_rows import paired_label_table, paired_table
    from lapsdata.stages.scores import check_alike, read_scores, read_tracking_scores

    if len(scores) < 2:
        raise typer.BadParameter("expected two files of scores or more, got one", param_hint="SCORES...")
    twice = sorted({str(path) for path in scores if scores.count(path) > 1})
    if twice:
        raise typer.BadParameter(f"expected each file once, got {', '.join(twice)} twice", param_hint="SCORES...")
    tracks = {name: read_tracking_scores(path) for name, path in zip(_names(scores), scores, strict=True)}
    if any(tracks.values()):
        _tell_tracks({name: one for name, one in tracks.items() if one is not None}, scores, draws, seed, json=json)
        return
    results = {name: read_scores(path) for name, path in zip(_names(scores), scores, strict=True)}
    check_alike(results)
    parts = {name: result.boundaries for name, result in results.items()}
    labels = {name: result.labels for name, result in results.items() if result.labels is not None}
    first, *others = parts
    less = {
        name: paired_differences(parts[first], parts[name], average=average.value, draws=draws, seed=seed)
        for name in others
    }
    labels_less = {
        name: paired_label_differences(labels[first], labels[name], draws=draws, seed=seed)
        for name in others if first in labels and name in labels
    }  # fmt: skip
    if json:
        both: dict[str, Mapping[str, Sequence[PairedDifference | PairedLabelDifference]]]
        both = {"less": less, "labels_less": labels_less}
        told = {
            part: {name: [one._asdict() for one in each] for name, each in differences.items()}
            for part, differences in both.items()
        }
        console.write_json({"first": first, "average": average.value, "draws": draws, "seed": seed, **told})
        return
    tables = [paired_table(parts, less, average=average.value)]
    if labels_less:
        tables.append(paired_label_table(labels, labels_less))
    for line in "\n\n".join(tables).splitlines():
        console.write(line)


def _tell_tracks(
    results: Mapping[str, TrackingResult], paths: Sequence[Path], draws: int, seed: int, *, json: bool
) -> None:
    from lapsdata.metrics.tracking.evaluation import joined_results
    from lapsdata.metrics.tracking_table import tracking_table

    if len(results) < len(paths):
        raise typer.BadParameter("expected scores of tracks alone, got others too", param_hint="SCORES...")
    both = joined_results(results, draws=draws, seed=seed)
    if json:
        console.write_json(both.as_json())
        return
    for line in tracking_table(both).splitlines():
        console.write(line)


def _names(paths: Sequence[Path]) -> list[str]:
    """Return what to call each file: its name, or, where two have one, as it was given."""
    stems = [path.stem for path in paths]
    return stems if len(set(stems)) == len(stems) else [str(path) for path in paths]


PLUGIN = compare

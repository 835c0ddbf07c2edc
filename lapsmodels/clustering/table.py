"""A clustering's scores as plain text, and a sentence where a control does as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.console import aligned

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lapsdata.schema import ClusterResult, ClusterRow, ClusterScores

__all__ = ["cluster_table", "not_above_controls"]

_COLUMNS = {
    "silhouette": "silhouette",
    "davies_bouldin": "DB",
    "calinski_harabasz": "CH",
    "ari": "ARI",
    "ami": "AMI",
    "nmi": "NMI",
    "v_measure": "V",
    "accuracy_all": "acc all",
    "accuracy_activity": "acc activity",
    "accuracy_video": "acc video",
}


def cluster_table(result: ClusterResult) -> str:
    """Return a result as text: what was clustered and how, every row, and a verdict.

    A column that no row has a value for is left out. Where a row has noise, a second line scores it without.

    Parameters
    ----------
    result : ClusterResult

    Returns
    -------
    str
        Lines without a last line break.

    Examples
    --------
    >>> from lapsdata.schema import ClusterResult, ClusterRow, ClusterRules, ClusterScores, SequenceLengths
    >>> from lapsdata.testing.samples import sample_provenance
    >>> scores = ClusterScores(sequences=9, labelled=0, clusters=2, silhouette=0.25)
    >>> row = ClusterRow(
    ...     name="mean", kind="prediction", clusters=2, noise_share=0.0, with_noise=scores, without_noise=scores
    ... )
    >>> print(cluster_table(ClusterResult(
    ...     provenance=sample_provenance(),
    ...     rules=ClusterRules(embedding="mean", clusterer="kmeans", chosen_by="given"),
    ...     sequences=9,
    ...     videos=2,
    ...     lengths=SequenceLengths(least=3, median=4, mean=5, most=9),
    ...     rows=(row,),
    ... )))
    9 sequences of 2 videos, 3 to 9 codes, median 4
    mean by kmeans, clusters by given
    row   clusters  noise  silhouette
    mean  2         0.0%   0.250
    No labels: nothing here says what the clusters mean; silhouettes of rows are of different spaces.
    """
    shown = [name for name in _COLUMNS if any(getattr(row.with_noise, name) is not None for row in result.rows)]
    rows = [("row", "clusters", "noise", *(_COLUMNS[name] for name in shown))]
    for row in result.rows:
        rows += _lines(row, shown)
    verdict = not_above_controls(result)
    if not result.labels:
        verdict = "No labels: nothing here says what the clusters mean; silhouettes of rows are of different spaces."
    return "\n".join([*_heading(result), *aligned(rows), *([verdict] if verdict else [])])


def not_above_controls(result: ClusterResult) -> str | None:
    """Return a sentence that names the controls which the prediction is not above by V-measure; None without any.

    Where noise is left out, each row leaves out its own: only scores of all sequences are compared.
    """
    found = result.rows[0].with_noise.v_measure
    if found is None:
        return None
    above = [
        f"{row.name} has {row.with_noise.v_measure:.3f}"
        for row in result.rows[1:]
        if row.with_noise.v_measure is not None and row.with_noise.v_measure >= found
    ]
    if not above:
        return None
    return f"The prediction is not above its controls by V-measure ({found:.3f}, {', '.join(above)})."


def _lines(row: ClusterRow, shown: Sequence[str]) -> Iterator[tuple[str, ...]]:
    yield (row.name, str(row.clusters), f"{row.noise_share:.1%}", *_cells(row.with_noise, shown))
    if row.noise_share:
        yield ("  noise left out", "", "", *_cells(row.without_noise, shown))


def _cells(scores: ClusterScores, shown: Sequence[str]) -> Iterator[str]:
    for name in shown:
        value = getattr(scores, name)
        digits = 1 if name == "calinski_harabasz" else 3
        # Adding 0 takes the sign off a zero.
        yield "-" if value is None else f"{round(value, digits) + 0.0:.{digits}f}"


def _heading(result: ClusterResult) -> Iterator[str]:
    rules, lengths = result.rules, result.lengths
    yield (
        f"{result.sequences} sequences of {result.videos} videos, {lengths.least} to {lengths.most} codes, "
        f"median {lengths.median:g}"
    )
    if lengths.longest is not None:
        yield f"cut at {lengths.longest} codes: {lengths.cut} sequences lost {lengths.cut_codes} codes"
    labels = f", {len(result.labels)} labels" if result.labels else ""
    balanced = ", fitted on as many of each label" if rules.fitted_on == "balanced" else ""
    yield f"{rules.embedding} by {rules.clusterer}, clusters by {rules.chosen_by}{labels}{balanced}"
    if result.tried and result.rows[0].clusters >= max(one.clusters for one in result.tried):
        yield f"{result.rows[0].clusters} clusters are the most that were tried: look further with --most-clusters"
    # What was cut has its line already.
    told = {name: count for name, count in result.policies.items() if count and not name.startswith("cut_")}
    if told:
        yield "left out: " + ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in told.items())
    if result.training is not None:
        of = result.training
        judged = f"{len(of.held_out)} held-out videos" if of.held_out else "what it learned from"
        yield (
            f"encoder: {of.epochs} epochs, weights of epoch {of.taken_from}, {of.loss:.3f} nats per code on {judged}, "
            f"shares of codes alone {of.unigram_loss:.3f}"
        )
        if of.held_out and of.taken_from == of.epochs:
            yield "encoder: it was still getting better when it ended: more --epochs"

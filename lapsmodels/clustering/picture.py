"""Clusters as a picture: where they lie, which labels are in them, and how they score beside their controls."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.errors import shown
from lapsmodels.clustering._extra import optional
from lapsmodels.clustering.scores import NOISE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lapsdata.schema import ClusterResult

    Vectors = NDArray[np.float64]
    Clusters = NDArray[np.int64]

__all__ = ["clusters_png", "principal_plane", "umap_plane", "umap_png"]

# Of Paul Tol's "bright" and "muted" sets, which differ for every eye.
_COLOURS = (
    "#4477aa",
    "#ee6677",
    "#228833",
    "#ccbb44",
    "#66ccee",
    "#aa3377",
    "#882255",
    "#44aa99",
    "#999933",
    "#332288",
)
_NOISE, _INK, _FAINT = "#c3cad3", "#26303b", "#68737f"
_STYLE = {
    "font.size": 8.0,
    "text.parse_math": False,
    "text.color": _INK,
    "axes.edgecolor": _FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.0,
    "axes.titlelocation": "left",
}
_DPI = 160
_MOST_LABEL = 24
_SCORES = {"ari": "ARI", "ami": "AMI", "v_measure": "V-measure", "accuracy_all": "accuracy, all"}


def principal_plane(vectors: Vectors) -> tuple[Vectors, tuple[float, float]]:
    """Return vectors in the plane of their two largest directions, and the share of the variance along each.

    Parameters
    ----------
    vectors : float64 (S, E)

    Returns
    -------
    plane : float64 (S, 2)
        The sign of each axis is such that its largest number is positive.
    shares : (float, float)

    Examples
    --------
    >>> plane, shares = principal_plane(np.array([[0.0, 1.0], [4.0, 1.0]]))
    >>> plane.round(6).ravel().tolist(), shares
    ([-2.0, 0.0, 2.0, 0.0], (1.0, 0.0))
    """
    centred = vectors - vectors.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    plane = np.zeros((len(vectors), 2))
    plane[:, : min(2, len(sizes))] = (left * sizes)[:, :2]
    largest = plane[np.abs(plane).argmax(axis=0), [0, 1]]
    total = float((sizes**2).sum())
    shares = [float(size**2) / total if total > 0 else 0.0 for size in (*sizes[:2], 0.0)][:2]
    return plane * np.where(largest < 0, -1, 1) + 0.0, (shares[0], shares[1])


def clusters_png(
    result: ClusterResult, vectors: Vectors, of: Clusters, labels: Sequence[str | None], *, named: str | None = None
) -> bytes:
    """Return a picture of a clustering as PNG.

    Parameters
    ----------
    result : ClusterResult
    vectors : float64 (S, E)
        As they were clustered.
    of : int64 (S,)
        The cluster of each; -1 for none.
    labels : sequence of str or None
    named : str, optional
        What stands above it; by default the embedding and the clusterer.
    """
    plane, shares = principal_plane(vectors)
    heading = named or f"{result.rules.embedding} by {result.rules.clusterer}"

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib is imported late
        left, right = figure.subplots(2, 2, gridspec_kw={"width_ratios": [1, 1.15]}).T
        _scatter(left[0], plane, of, [f"{share:.0%} of the variance" for share in shares])
        left[0].set_title(f"{heading}: {len(of)} sequences")
        _lengths(left[1], result, of)
        _contents(right[0], of, labels)
        _bars(right[1], result)

    return _png(draw, (11, 7.6))


def umap_plane(vectors: Vectors, *, seed: int = 0) -> Vectors:
    """Return vectors as UMAP lays them out: a picture, in which neither distances nor densities mean anything.

    Raises
    ------
    MissingExtraError
        umap-learn is not installed.
    """
    umap = optional("umap", "umap-learn", "lapsdata cluster --umap")
    # A seed allows one thread only; said, so that it need not warn.
    model = umap.UMAP(n_components=2, random_state=seed, n_jobs=1)
    return np.asarray(model.fit_transform(vectors), np.float64)


def umap_png(plane: Vectors, of: Clusters) -> bytes:
    """Return what `umap_plane` gives as PNG, and in it that it proves nothing."""

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib is imported late
        axes = figure.subplots()
        _scatter(axes, plane, of, ["UMAP 1", "UMAP 2"])
        axes.set_title("UMAP: a picture and no measure; clusters were made and scored without it")

    return _png(draw, (7, 5.5))


def _png(draw: Any, size: tuple[float, float]) -> bytes:  # noqa: ANN401 - any function of a figure
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    style: dict[Any, Any] = {key: of for key, of in matplotlib.rcParamsDefault.items() if not key.startswith("backend")}
    with matplotlib.rc_context(style | _STYLE):
        figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure)
        buffer = io.BytesIO()
        # No name of the program and its version in it: equal pictures are equal bytes.
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _colour(cluster: int) -> str:
    return _NOISE if cluster == NOISE else _COLOURS[cluster % len(_COLOURS)]


def _name(cluster: int) -> str:
    return "noise" if cluster == NOISE else f"cluster {cluster}"


def _scatter(axes: Any, plane: Vectors, of: Clusters, named: Sequence[str]) -> None:  # noqa: ANN401 - as above
    # Beyond the colours, shapes tell clusters apart.
    shapes = "osD^vP*X"
    for cluster in np.unique(of).tolist():
        here = of == cluster
        shape = "x" if cluster == NOISE else shapes[cluster // len(_COLOURS) % len(shapes)]
        told = f"{_name(cluster)} ({here.sum()})"
        axes.scatter(*plane[here].T, s=14, c=_colour(cluster), marker=shape, linewidths=0.6, alpha=0.85, label=told)
    axes.set_xlabel(named[0])
    axes.set_ylabel(named[1])
    axes.legend(fontsize=6, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _lengths(axes: Any, result: ClusterResult, of: Clusters) -> None:  # noqa: ANN401 - as above
    sizes = [int((of == cluster).sum()) for cluster in np.unique(of)]
    names = [_name(cluster) for cluster in np.unique(of).tolist()]
    axes.barh(names, sizes, color=[_colour(cluster) for cluster in np.unique(of).tolist()])
    axes.invert_yaxis()
    axes.set_xlabel("sequences")
    lengths = result.lengths
    cut = "" if lengths.longest is None else f", {lengths.cut} cut at {lengths.longest}"
    axes.set_title(f"{lengths.least} to {lengths.most} codes each, median {lengths.median:g}{cut}")


def _contents(axes: Any, of: Clusters, labels: Sequence[str | None]) -> None:  # noqa: ANN401 - as above
    """Draw which share of each label is in which cluster."""
    names = sorted({label for label in labels if label is not None})
    if not names:
        axes.axis("off")
        axes.text(0, 0.5, "No labels: nothing here says what the clusters mean.", transform=axes.transAxes)
        return
    clusters = np.unique(of).tolist()
    table = np.array([[sum(a == name and b == c for a, b in zip(labels, of, strict=True)) for c in clusters]
                      for name in names])  # fmt: skip
    shares = table / table.sum(axis=1, keepdims=True)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for row, column in np.ndindex(*table.shape):
        colour = "white" if shares[row, column] > 0.6 else _INK
        axes.text(column, row, str(table[row, column]), ha="center", va="center", fontsize=7, color=colour)
    axes.set_xticks(range(len(clusters)), ["noise" if one == NOISE else str(one) for one in clusters])
    axes.set_yticks(range(len(names)), [_short(name) for name in names])
    axes.set_xlabel("cluster")
    axes.set_title("sequences of each label, shaded by their share of it")


def _short(name: str) -> str:
    told = shown(name)
    return told if len(told) <= _MOST_LABEL else f"{told[: _MOST_LABEL - 1]}…"


def _bars(axes: Any, result: ClusterResult) -> None:  # noqa: ANN401 - as above
    scores = _SCORES if result.labels else {"silhouette": "silhouette, each in its own space"}
    wide = 0.8 / len(result.rows)
    for number, row in enumerate(result.rows):
        values = [getattr(row.with_noise, name) for name in scores]
        heights = [0.0 if value is None else value for value in values]
        at = np.arange(len(scores)) + wide * (number - (len(result.rows) - 1) / 2)
        colour = _COLOURS[0] if number == 0 else ("#a9b2bc", "#d5c7a3", "#e3e6ea")[(number - 1) % 3]
        axes.bar(at, heights, wide, color=colour, edgecolor=_FAINT, linewidth=0.4, label=row.name)
        for x, value in zip(at, values, strict=True):
            told = "-" if value is None else f"{round(value, 2) + 0.0:.2f}"
            axes.text(x, max(value or 0.0, 0.0), told, ha="center", va="bottom", fontsize=6, color=_FAINT)
    axes.axhline(0, color=_FAINT, linewidth=0.6)
    axes.set_xticks(range(len(scores)), list(scores.values()))
    axes.set_ylim(min(0.0, axes.get_ylim()[0]), 1.08)
    axes.set_title("beside controls; noise counts as one more cluster")
    axes.legend(fontsize=6, frameon=False, ncols=4)

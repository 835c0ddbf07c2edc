"""F over tolerance: a prediction beside the rows of chance, at every tolerance of a result.

The prediction is a thick line, rows of chance are thin ones: with the band of 95 % of their draws where they are drawn,
dashed where they are metronomes, dotted where they know the truth (oracles). Each has its name beside its last value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.errors import Problem, SchemaError
from lapsdata.metrics._given import known_word
from lapsdata.metrics.table import Average
from lapsdata.report._curve_layout import gather_curves, lay_out_curves
from lapsdata.report._sheet import note_px, png_bytes
from lapsdata.report.png import write_png
from lapsdata.schema import BoundaryResult

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    import numpy as np
    import numpy.typing as npt

    from lapsdata.report._curve_layout import CurveContent, CurveLayout

    Results = BoundaryResult | Mapping[str, BoundaryResult]

__all__ = ["draw_tolerance_curve", "tolerance_curve_layout", "tolerance_curve_png", "write_tolerance_curve"]


def draw_tolerance_curve(
    results: Results, *, average: Average = "macro", title: str | None = None, note: str | None = None
) -> npt.NDArray[np.uint8]:
    """Return a picture of F over tolerance.

    Tolerances are on a logarithm where they spread and none is 0. The footnote says the rules, what was counted, and
    the truth. Settings of matplotlib neither matter nor change.

    Parameters
    ----------
    results : BoundaryResult, or mapping of str to BoundaryResult
        With at least two tolerances; of several (train, test) each has a panel with its name, one below the other.
    average : {"macro", "micro"}
        Mean over the videos, or of the counts of all videos together.
    title : str, optional
        Instead of one that names the score.
    note : str, optional
        What nobody who sees the picture may overlook, such as that its data are synthetic: a band at the top.

    Returns
    -------
    numpy.ndarray, shape (H, 1440, 3), uint8, RGB
        At 192 pixels per inch; equal for equal arguments.

    Raises
    ------
    SchemaError
        No result (`no-results`), one of a single tolerance (`one-tolerance`), an unknown average.

    Examples
    --------
    >>> from lapsdata.metrics import evaluate_boundaries
    >>> from lapsdata.testing.samples import sample_segments
    >>> result = evaluate_boundaries(sample_segments(), sample_segments(), draws=2)
    >>> draw_tolerance_curve({"train": result, "test": result}).shape[1:]
    (1440, 3)
    """
    from lapsdata.report._curve_ink import CurveSheet

    content = _gathered(results, average, title, note)
    with CurveSheet(lay_out_curves(content)) as sheet:
        sheet.note(content.note)
        sheet.curves(content, note_px(content.note))
        return sheet.image()


def tolerance_curve_png(
    results: Results, *, average: Average = "macro", title: str | None = None, note: str | None = None
) -> bytes:
    """Return `draw_tolerance_curve` as the bytes of a PNG file, equal for equal arguments.

    Raises
    ------
    SchemaError
        As `draw_tolerance_curve`.

    Examples
    --------
    >>> from lapsdata.metrics import evaluate_boundaries
    >>> from lapsdata.testing.samples import sample_segments
    >>> tolerance_curve_png(evaluate_boundaries(sample_segments(), sample_segments(), draws=2))[1:4]
    b'PNG'
    """
    return png_bytes(draw_tolerance_curve(results, average=average, title=title, note=note))


def write_tolerance_curve(
    path: str | PathLike[str],
    results: Results,
    *,
    average: Average = "macro",
    title: str | None = None,
    note: str | None = None,
    overwrite: bool = False,
) -> None:
    """Write `draw_tolerance_curve` as a PNG file, whole or not at all.

    Parameters
    ----------
    path : path
        Ends with `.png`; its folder must exist.
    results, average, title, note
        See `draw_tolerance_curve`.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    SchemaError
        As `draw_tolerance_curve`; another suffix.
    StorageError
        The file exists, or the file system refused.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.metrics import evaluate_boundaries
    >>> from lapsdata.testing.samples import sample_segments
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "curve.png"
    >>> write_tolerance_curve(path, evaluate_boundaries(sample_segments(), sample_segments(), draws=2))
    >>> path.read_bytes()[1:4]
    b'PNG'
    """
    write_png(path, draw_tolerance_curve(results, average=average, title=title, note=note), overwrite=overwrite)


def tolerance_curve_layout(results: Results, *, average: Average = "macro", note: str | None = None) -> CurveLayout:
    """Return where everything of a curve stands; the arguments are those of `draw_tolerance_curve`.

    Raises
    ------
    SchemaError
        As `draw_tolerance_curve`.

    Examples
    --------
    >>> from lapsdata.metrics import evaluate_boundaries
    >>> from lapsdata.testing.samples import sample_segments
    >>> tolerance_curve_layout(evaluate_boundaries(sample_segments(), sample_segments(), draws=2)).size.width
    1440
    """
    return lay_out_curves(_gathered(results, average, None, note))


def _gathered(results: Results, average: Average, title: str | None, note: str | None) -> CurveContent:
    known_word(average, "average", Average)
    named = {"": results} if isinstance(results, BoundaryResult) else results
    if not named:
        raise SchemaError(Problem("no-results", "results", "expected at least one result, got none"))
    return gather_curves(named, average, title, note)

"""Errors of predicted actions over the steps of the horizon, beside chance: a panel for each key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.geometry import FrameSize
from lapsdata.report._sheet import FAINT, INK, SMALL, Sheet
from lapsdata.report.png import write_png

if TYPE_CHECKING:
    from os import PathLike

    import numpy as np
    import numpy.typing as npt

    from lapsdata.schema.actions import ActionResult

__all__ = ["draw_action_curves", "write_action_curves"]

_COLOURS = {"prediction": "#0b3c7d", "hold_last": "#cc6677", "mean_action": "#117733", "mean_trajectory": "#8a8a2a"}
_WIDTH, _HEAD, _PANEL, _FOOT = 1440, 130, 420, 30
_LEFT, _RIGHT, _UNDER = 150, 60, 110
# Steps, at most, that have a mark each.
_MARKED = 20


def draw_action_curves(result: ActionResult) -> npt.NDArray[np.uint8]:
    """Return a picture of the mean absolute error by step of the horizon.

    Parameters
    ----------
    result : ActionResult

    Returns
    -------
    numpy.ndarray, shape (H, 1440, 3), uint8, RGB
        At 192 pixels per inch; equal for equal arguments.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_action_result
    >>> draw_action_curves(sample_action_result()).shape
    (1000, 1440, 3)
    """
    size = FrameSize(width=_WIDTH, height=_HEAD + _PANEL * len(result.parts) + _FOOT)
    rows, episodes = result.rows_predicted, len(result.episodes)
    with _ActionSheet(size) as sheet:
        title = f"Mean absolute error by step of the horizon: {rows} rows of {episodes} episodes"
        sheet.say(title, 30, 46, weight="bold", within=_WIDTH - 60)
        sheet.key([({"facecolor": _COLOURS[row.name]}, row.name) for row in result.rows], 96, left=30)
        for at, key in enumerate(result.parts):
            top = _HEAD + _PANEL * at
            sheet.say(f"{key.name} ({len(key.numbers)} numbers)", _LEFT, top + 26, color=INK)
            sheet.panel(result, at, top + 40)
        return sheet.image()


class _ActionSheet(Sheet):
    def panel(self, result: ActionResult, at: int, top: int) -> None:
        """Draw the errors of a key, from pixel `top` on."""
        from matplotlib.ticker import MaxNLocator

        width, height = self._size.width, self._size.height
        tall = _PANEL - 40 - _UNDER
        place = (_LEFT / width, 1 - (top + tall) / height, (width - _LEFT - _RIGHT) / width, tall / height)
        axes = self._figure.add_axes(place)
        steps = [step for step, count in enumerate(result.steps_scored) if count]
        for row in reversed(result.rows):
            thick = row.kind == "prediction"
            axes.plot(
                steps,
                [row.parts[at].steps[step].mae for step in steps],
                color=_COLOURS[row.name],
                linewidth=1.8 if thick else 1.0,
                marker="o" if len(steps) <= _MARKED else None,
                markersize=3.0 if thick else 2.0,
            )
        axes.set_ylim(bottom=0)
        axes.set_xlim(-0.3, max(result.rules.horizon - 1, 1) + 0.3)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="y")
        axes.set_ylabel("MAE, unit of the data", fontsize=SMALL)
        axes.set_xlabel("step of the horizon", fontsize=SMALL, color=FAINT)


def write_action_curves(path: str | PathLike[str], result: ActionResult, *, overwrite: bool = False) -> None:
    """Write `draw_action_curves` as a PNG file, whole or not at all.

    Raises
    ------
    SchemaError
        Another suffix than `.png`.
    StorageError
        The file exists, or the file system refused.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.testing.samples import sample_action_result
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "curves.png"
    >>> write_action_curves(path, sample_action_result())
    >>> path.read_bytes()[1:4]
    b'PNG'
    """
    write_png(path, draw_action_curves(result), overwrite=overwrite)

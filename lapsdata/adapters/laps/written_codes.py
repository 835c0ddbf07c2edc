"""Codes of LAPS (arXiv 2511.21428): `<segment>.codes.json`, the codes of the windows of one segment, beside its video.

Keys and their meaning are those of LAPS's `export_codes_for_segment`. A window belongs to a segment by the share of its
frames that lie inside; windows that overlap each other are left out, from the first on, unless they are asked for. Its
`quantized_windows`, ten thousand numbers per window as text, are not written: the codes say the same.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lapsdata.storage.atomic import atomic_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["CodedWindow", "chosen_windows", "write_codes"]


class CodedWindow(NamedTuple):
    """One window with its codes.

    Parameters
    ----------
    number : int
        Its id.
    start : int, frame
        Its first frame.
    codes : int32 (L,)
    prequant : float32 (L, D), optional
        Its latents before quantisation.

    Examples
    --------
    >>> CodedWindow(2, 8, np.array([3, 1], np.int32)).start
    8
    """

    number: int
    start: int
    codes: NDArray[np.int32]
    prequant: NDArray[np.float32] | None = None


def chosen_windows(
    windows: Iterable[CodedWindow], first: int, until: int, horizon: int, *, min_overlap: float, allow_overlap: bool
) -> list[CodedWindow]:
    """Return the windows of T frames of which a large enough share lies in the frames from `first` to before `until`.

    Examples
    --------
    >>> windows = [CodedWindow(k, 4 * k, np.zeros(1, np.int32)) for k in range(5)]
    >>> [one.number for one in chosen_windows(windows, 6, 16, 8, min_overlap=0.25, allow_overlap=True)]
    [0, 1, 2, 3]
    >>> [one.number for one in chosen_windows(windows, 6, 16, 8, min_overlap=0.25, allow_overlap=False)]
    [0, 2]
    """
    found: list[CodedWindow] = []
    for window in sorted(windows, key=lambda one: one.start):
        inside = min(window.start + horizon, until) - max(window.start, first)
        if inside <= 0 or inside / horizon < min_overlap:
            continue
        if allow_overlap or not found or window.start >= found[-1].start + horizon:
            found.append(window)
    return found


def write_codes(
    path: Path, windows: Sequence[CodedWindow], told: dict[str, Any], *, overwrite: bool = False
) -> tuple[Path, ...]:
    """Write `<segment>.codes.json`; where the windows have latents before quantisation, these beside it as `.npy`.

    Parameters
    ----------
    path : Path
        Ends with `.codes.json`.
    windows : sequence of CodedWindow
    told : dict
        What else LAPS writes: `segment`, `window`, `align`, `source` and so on; `video`, its name, is ours.
    overwrite : bool

    Returns
    -------
    tuple of Path
        The files that were written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "one.codes.json"
    >>> written = write_codes(path, [CodedWindow(2, 8, np.array([3, 1], np.int32))], {"source": "lapsdata"})
    >>> [one.name for one in written]
    ['one.codes.json']
    >>> json.loads(path.read_text())["selected_win_idxs"]
    [2]
    """
    document = {
        "codes_windows": [window.codes.tolist() for window in windows],
        "selected_win_idxs": [window.number for window in windows],
        **told,
    }
    with atomic_file(path, overwrite=overwrite) as temporary:
        temporary.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    latents = [window.prequant for window in windows if window.prequant is not None]
    if not latents:
        return (path,)
    beside = path.with_name(path.name.removesuffix(".codes.json") + ".prequant.npy")
    with atomic_file(beside, overwrite=overwrite) as temporary, temporary.open("wb") as file:
        np.save(file, np.stack(latents))
    return path, beside

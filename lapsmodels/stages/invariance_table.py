"""An invariance card as plain text of 80 columns: a row per change, and sentences where a row needs one."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from lapsdata.console import aligned
from lapsdata.errors import listed, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lapsdata.schema.invariance import CodeAgreement, Equal, InvarianceResult, InvarianceRow

__all__ = ["invariance_table"]

# Nothing was compared; a row without a column's number has no 0 there.
_EMPTY = ""
_WIDTH = 80


def invariance_table(result: InvarianceResult) -> str:
    """Return a card as text.

    Parameters
    ----------
    result : InvarianceResult

    Returns
    -------
    str
        Lines without a last line break. In brackets: what would be matched, or equal, by chance.

    Examples
    --------
    >>> from lapsdata.schema import (
    ...     BoundaryShift, InvarianceResult, InvarianceRow, InvarianceRules, InvarianceVideo, ShownFrames, VideoChange
    ... )
    >>> from lapsdata.testing.samples import sample_provenance
    >>> cut = BoundaryShift(
    ...     unchanged=4, found=3, matched=3, matched_by_chance=1.5, f_by_chance=0.4, median_shift_s=0.05,
    ...     median_signed_s=-0.05,
    ... )
    >>> video = InvarianceVideo(name="clip", found=3, matched=3, median_shift_s=0.05, paired=None, whole=None)
    >>> row = InvarianceRow(
    ...     name="same", change=VideoChange(kind="none"), windows_rate=None, videos=(video,), boundaries=cut,
    ...     codes=None, frames=ShownFrames(frames=90, of_windows=90),
    ... )
    >>> rules = InvarianceRules(
    ...     tolerance_s=0.25, draws=50, seed=0, source="quantized", mode="token_diff_step", segmenter="state_machine",
    ...     segmenter_parameters={"threshold": 1.5}, threshold_method="otsu_log", threshold_of="unchanged_videos",
    ... )
    >>> print(invariance_table(InvarianceResult(
    ...     provenance=sample_provenance(), rules=rules, tokenizer="sha256:" + 64 * "0", codes=240, used_codes=31,
    ...     horizon=16, stride=4, windows_rate=None, rows=(row,),
    ... )))
    1 video, windows of 16 frames of the video's own rate, every 4; 31 of 240 codes
      used
    cut by token_diff_step of quantized, threshold 1.5 in all rows (otsu_log of the
      unchanged)
    boundaries within 0.25 s, shift in s (median); codes at equal times; (by chance)
    change  found  matched     shift  F     pairs  windows  codes
    same    3      0.75 (.38)  0.050  0.86
    """
    titles = ("change", "found", "matched", "shift", "F", "pairs", "windows", "codes")
    rows = [titles, *(tuple(_cells(row)) for row in result.rows)]
    return "\n".join([*_wrapped(_heading(result)), *aligned(rows), *_wrapped(_notes(result))])


def _wrapped(sentences: Iterator[str]) -> Iterator[str]:
    for sentence in sentences:
        yield from textwrap.wrap(sentence, _WIDTH, subsequent_indent="  ", break_long_words=False)


def _heading(result: InvarianceResult) -> Iterator[str]:
    rules, videos = result.rules, len(result.rows[0].videos)
    rate = "of the video's own rate" if result.windows_rate is None else f"at {result.windows_rate} fps"
    yield (
        f"{videos} video{'s' * (videos != 1)}, windows of {result.horizon} frames {rate}, every {result.stride}; "
        f"{result.used_codes} of {result.codes} codes used"
    )
    threshold = rules.segmenter_parameters.get("threshold")
    told = f"{threshold:.4g}" if isinstance(threshold, float) else str(threshold)
    found = "given" if rules.threshold_of == "given" else f"{rules.threshold_method} of the unchanged"
    yield f"cut by {rules.mode} of {rules.source}, threshold {told} in all rows ({found})"
    yield f"boundaries within {rules.tolerance_s:g} s, shift in s (median); codes at equal times; (by chance)"


def _cells(row: InvarianceRow) -> Iterator[str]:
    yield row.name
    cut = row.boundaries
    if cut is None:
        yield from [_EMPTY] * 7
        return
    yield str(cut.found)
    yield _EMPTY if cut.share is None or cut.share_by_chance is None else _beside(cut.share, cut.share_by_chance)
    yield "-" if cut.median_shift_s is None else f"{cut.median_shift_s:.3f}"
    yield f"{cut.f:.2f}"
    yield from _of_codes(row.codes)


def _of_codes(codes: CodeAgreement | None) -> Iterator[str]:
    if codes is None:
        yield from [_EMPTY] * 3
        return
    yield f"{codes.paired}/{codes.windows}"
    for equal in (codes.whole, codes.codes):
        yield "-" if equal is None else _beside(equal.share, equal.by_chance)


def _beside(value: float, chance: float) -> str:
    short = f"{chance:.2f}"
    return f"{value:.2f} ({short.removeprefix('0') if short[0] == '0' else '1.0'})"


def _notes(result: InvarianceResult) -> Iterator[str]:
    first = result.rows[0].boundaries
    if first is not None and not first.unchanged:
        yield "No boundary in the unchanged videos: nothing is said about shifts. Another threshold?"
    told: dict[str, list[str]] = {}
    for row in result.rows:
        for note in _of_row(row, result):
            told.setdefault(note, []).append(row.name)
    yield from (f"{', '.join(names)}: {note}" for note, names in told.items())
    changes = {row.change.kind for row in result.rows}
    if "mirrored" in changes:
        yield "mirrored: what moved left moves right, and codes that tell directions differ"
    if "reversed" in changes:
        yield "reversed: boundaries are mirrored back; codes of other motions are not compared"
    lost = [row.name for row in result.rows if row.codes and _not_above(row.codes.codes)]
    if lost:
        yield f"Codes are no more equal than by chance: {', '.join(lost)}."
    missed = [row.name for row in result.rows if _matched_by_chance(row)]
    if missed:
        yield f"Boundaries are no more matched than by chance: {', '.join(missed)}."


def _of_row(row: InvarianceRow, result: InvarianceResult) -> Iterator[str]:
    if row.too_short:
        yield f"shorter than one window: {shown(listed(row.too_short))}"
    frames, cut = row.frames, row.boundaries
    if frames is not None:
        for repeated, of in ((frames.repeated, frames.frames), (frames.of_windows_repeated, frames.of_windows)):
            if repeated:
                what = "of the video" if of is frames.frames else "of the windows"
                yield f"{repeated} of {of} frames {what} show one once more"
    if cut is not None and cut.unchanged and not cut.found:
        yield "no boundary was found"
    if cut is not None and cut.unchanged_beyond + cut.found_beyond:
        yield f"boundaries beyond the common time, left out: {cut.unchanged_beyond + cut.found_beyond}"
    # Windows of each video's own rate follow a change of it.
    follows = row.windows_rate is None and frames is not None and frames.repeated + frames.left_out > 0
    if row.windows_rate != result.windows_rate or follows:
        yield "steps are of another length than those they are compared with"


def _not_above(equal: Equal | None) -> bool:
    return equal is not None and equal.share <= equal.by_chance


def _matched_by_chance(row: InvarianceRow) -> bool:
    cut = row.boundaries
    return cut is not None and cut.found > 0 and cut.unchanged > 0 and cut.matched <= cut.matched_by_chance

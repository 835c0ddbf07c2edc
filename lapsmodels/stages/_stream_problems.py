"""What looks wrong about a stream: the problems of the batch stages, with what can be done about them in a stream."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from lapsdata.errors import LengthMismatchError, Problem, SchemaError
from lapsdata.segmenters import given_threshold
from lapsdata.stages.energies import energy_problems
from lapsdata.stages.segment import segment_problems

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lapsdata.containers import Energies, Segments

__all__ = ["dropped_problems", "in_words_of_a_stream", "measure_problems", "none_at_all"]

# What other verbs advise is an option that a stream does not have: windows and points are those of the tokenizer.
_FIXES = {
    "missing-energies": "where windows leave steps out between them, give a --stride below the tokenizer's frames - 1",
    "repeated-frames": "give the rate that it was taken with as --fps",
    "no-segments": "give a lower --threshold, as one that was told from such videos",
    "too-short": "windows are as long as the tokenizer's, and never padded",
    "no-times": "give --fps, the rate of the images; the tokenizer's is that of its windows",
}


def _told(problem: Problem) -> Problem:
    return replace(problem, fix=_FIXES.get(problem.code, problem.fix))


@contextlib.contextmanager
def in_words_of_a_stream() -> Iterator[None]:
    """Tell what stands against a source with advice that a stream can follow.

    Examples
    --------
    >>> with in_words_of_a_stream():
    ...     raise LengthMismatchError(Problem("too-short", "clip.mp4", "expected more", "use --horizon 9 or less"))
    Traceback (most recent call last):
    lapsdata.errors.LengthMismatchError: clip.mp4: expected more; windows are as long as ... [too-short]
    """
    try:
        yield
    except SchemaError as error:
        raise type(error)(*map(_told, error.problems)) from error


def measure_problems(energies: Energies, segments: Segments, threshold: float | None, where: str) -> Iterable[Problem]:
    """Yield what looks wrong about the energies, the threshold and the segments."""
    if not (energies.state == 0).any():
        message = "no energy was measured: every window was left out by a gate, or lost"
        yield Problem("no-energy", where, message, "stream it without gates", "warning")
    elif threshold is not None:
        yield from given_threshold(threshold, energies).problems
    yield from map(_told, (*energy_problems(energies), *segment_problems(segments)))


def dropped_problems(dropped_s: Sequence[float], lost: int, where: str) -> tuple[Problem, ...]:
    """Say what a live source has sent faster than it was worked on."""
    if not dropped_s:
        return ()
    message = (
        f"{len(dropped_s)} frames came faster than they could be worked on and were dropped, the first at "
        f"{dropped_s[0]:.3f} s: {lost} windows were lost, and are missing"
    )
    fix = "give a larger --stride or a smaller --resize-shorter"
    return (Problem("dropped-frames", where, message, fix, "warning"),)


def none_at_all(where: str, horizon: int, taken: int, shown: int, *, stopped: bool) -> LengthMismatchError:
    """Return the error of a stream that has ended before its first window."""
    message = f"expected at least one window of {horizon} frames, got {shown} frames"
    if stopped:
        told = f"{message}: it was stopped" if taken else "expected frames, got none: it was stopped before the first"
        return LengthMismatchError(Problem("stopped", where, told, "let it run until there is a window"))
    if not taken:
        message = "expected frames, got none: the source ended at once"
        return LengthMismatchError(Problem("no-frames", where, message, "check that it is sending"))
    return LengthMismatchError(_told(Problem("too-short", where, message)))

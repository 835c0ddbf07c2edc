"""Parts of vectors that tell a rotation, rewritten in another form: which, from what, and where all others lie then."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lapsdata.adapters.lerobot._edit_parts import Span
from lapsdata.errors import SchemaError
from lapsdata.geometry import EPISODE_ROTATIONS, rotation_width

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lapsdata.adapters.lerobot._edit_parts import Vectors
    from lapsdata.errors import Problems

__all__ = ["Turn", "moved", "turns_of"]

_WORDS = {form: word for word, form in EPISODE_ROTATIONS.items()}
# GR00T says what it means by them; without it, files have them in either order.
_DOUBTFUL = {"quaternion": "quaternion_wxyz or quaternion_xyzw", "rotation_6d": "rotation_6d_rows or _columns"}
_OPTION = "rotation"


class Turn(NamedTuple):
    """A part that is rewritten.

    Parameters
    ----------
    span : Span
        In the source.
    source : str
        A word of `convert_episode_rotations`.
    target : str
        A word of GR00T.
    """

    span: Span
    source: str
    target: str

    @property
    def more(self) -> int:
        """How many numbers it has more than before."""
        return rotation_width(self.target) - (self.span.stop - self.span.start)


def turns_of(asked: Mapping[str, str], vectors: Vectors, found: Problems) -> list[Turn]:
    """Return how parts are rewritten, by `FROM:TO` or `TO`; what cannot be is added to `found`.

    Examples
    --------
    >>> from lapsdata.adapters.lerobot._edit_parts import Vectors
    >>> from lapsdata.errors import Problems
    >>> from lapsdata.testing.samples import sample_episodes
    >>> vectors = Vectors(sample_episodes().header)
    >>> turns_of({"observation.state[0:3]": "axis_angle:quaternion"}, vectors, Problems())[0].more
    1
    """
    turns: list[Turn] = []
    for text, forms in asked.items():
        place = f"{_OPTION}: {text}"
        span = vectors.span(text, place, found)
        said, _, target = forms.rpartition(":")
        word = _WORDS.get(target, target)
        if word not in EPISODE_ROTATIONS:
            found.add("unknown-choice", place, f"expected one of {', '.join(EPISODE_ROTATIONS)}, got {target}")
            continue
        source = None if span is None else _source(said, vectors.rotations({}).get(span), place, found)
        if span is None or source is None:
            continue
        if rotation_width(source) != span.stop - span.start:
            message = f"expected {rotation_width(source)} numbers of {source}, got {span.stop - span.start}"
            found.add("wrong-shape", place, message)
        elif EPISODE_ROTATIONS.get(source, source) == EPISODE_ROTATIONS[word]:
            found.add("same-format", place, f"expected another form than that it has, got {target} again")
        elif twice := [one.span for one in turns if one.span.overlaps(span)]:
            found.add("part-twice", place, f"expected parts of which none holds numbers of another, got {twice[0]} too")
        else:
            turns.append(Turn(span, source, word))
    return turns


def _source(said: str, known: str | None, place: str, found: Problems) -> str | None:
    """Return what the numbers are: as was said, else as the set says."""
    if not said and known is None:
        fix = "say how it is stored: PART=quaternion_xyzw:rotation_6d"
        found.add("no-rotation", place, "expected a part that the set calls a rotation, got one that it does not", fix)
        return None
    if said in _DOUBTFUL and said != known:
        found.add("ambiguous-order", place, f"expected {_DOUBTFUL[said]}, got {said}, which both are called")
        return None
    try:
        rotation_width(said or str(known))
    except SchemaError as error:
        found.extend(problem.within(place) for problem in error.problems)
        return None
    return said or known


def moved(span: Span, turns: Sequence[Turn]) -> Span | None:
    """Return where numbers lie when parts have been rewritten; None where they are cut out of such a part.

    Examples
    --------
    >>> turn = Turn(Span("action", 3, 7), "quaternion", "rotation_6d")
    >>> str(moved(Span("action", 7, 8), [turn])), str(moved(Span("action", 0, 8), [turn]))
    ('action[9:10]', 'action[0:10]')
    >>> moved(Span("action", 3, 4), [turn]) is None
    True
    """
    own = [turn for turn in turns if turn.span.feature == span.feature]
    if any(turn.span.overlaps(span) and not turn.span.within(span) for turn in own):
        return None
    start = span.start + sum(turn.more for turn in own if turn.span.stop <= span.start)
    stop = span.stop + sum(turn.more for turn in own if turn.span.stop <= span.stop)
    return Span(span.feature, start, stop)

"""One record for everything that can be wrong, and one family of exceptions that carries it.

A check, a reader and a command all describe a fault as a `Problem`: what, where, expected, got, what to do.
Validators collect every problem before they raise, so that a user mends a file once and not ten times.
"""

from __future__ import annotations

import inspect
import operator
import re
import warnings
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

__all__ = [
    "UNSHOWN",
    "AmbiguousFormatError",
    "CorruptDataError",
    "FormatTooNewError",
    "LapsError",
    "LapsWarning",
    "LengthMismatchError",
    "MissingExtraError",
    "PluginError",
    "Problem",
    "Problems",
    "SchemaError",
    "Severity",
    "StorageError",
    "UnknownFormatError",
    "listed",
    "shown",
    "spans_told",
    "warn",
    "whole_number",
]

Severity = Literal["error", "warning", "info"]

_SHOWN = 20
_RANK: dict[Severity, int] = {"error": 0, "warning": 1, "info": 2}
# Both packages of this distribution.
_OURS = frozenset({"lapsdata", "lapsmodels"})
UNSHOWN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters (C0, DEL, C1), line and paragraph separators, overrides of the direction of text, and bytes of
a name that are no text (PEP 383)."""

_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def shown(text: str) -> str:
    r"""Return a text as it may be printed: in one line, with nothing that steers a terminal.

    Examples
    --------
    >>> shown("two\nlines, \x1b[31mred, b\udcff")
    'two\\nlines, \\x1b[31mred, b\\xff'
    """
    return UNSHOWN.sub(_escaped, text)


def listed(names: Iterable[str], most: int = 3) -> str:
    """Return some names as a message tells them: the first few, and how many more there are.

    Examples
    --------
    >>> listed(["a", "b", "c", "d"]), listed([])
    ("'a', 'b', 'c' and 1 more", 'none')
    """
    every = list(names)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(map(repr, every[:most])) + more or "none"


def episodes_told(numbers: Collection[int]) -> str:
    """Return episodes as a person writes them.

    Examples
    --------
    >>> episodes_told([3]), episodes_told([0, 2, 3, 4])
    ('episode 3', 'episodes 0, 2-4')
    """
    return f"episode{'s' if len(set(numbers)) > 1 else ''} {spans_told(numbers)}"


def spans_told(numbers: Iterable[int], most: int = 12) -> str:
    """Return numbers as a person writes them, of many spans the first.

    Examples
    --------
    >>> spans_told([0, 2, 3, 4, 9]), spans_told([1, 3, 5], most=2)
    ('0, 2-4, 9', '1, 3 and 1 more spans')
    """
    spans: list[list[int]] = []
    for number in sorted(set(numbers)):
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    told = [str(first) if first == last else f"{first}-{last}" for first, last in spans]
    return ", ".join(told[:most]) + (f" and {len(told) - most} more spans" if len(told) > most else "")


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault, told so that a person can act on it.

    Parameters
    ----------
    code : str
        Stable, kebab-case name of the kind of fault (`"wrong-shape"`); scripts and tests rely on it.
    where : str
        File, item, field or byte: as exact as is known, outermost first, joined by `": "`.
    message : str
        What was expected and what was found.
    fix : str or None
        What to do about it.
    severity : {"error", "warning", "info"}

    Examples
    --------
    >>> print(Problem("wrong-shape", "clip.h5: tracks", "expected (W, 16, N, 2), got (317, 16, 400, 3)",
    ...               fix="drop column 2"))
    clip.h5: tracks: expected (W, 16, N, 2), got (317, 16, 400, 3); drop column 2 [wrong-shape]
    """

    code: str
    where: str
    message: str
    fix: str | None = None
    severity: Severity = "error"

    def __str__(self) -> str:
        head = f"{self.where}: " if self.where else ""
        tail = f"; {self.fix}" if self.fix else ""
        return shown(f"{head}{self.message}{tail} [{self.code}]")

    def within(self, place: str) -> Problem:
        """Return the same problem seen from one level further out (`place` is put before `where`)."""
        where = f"{place}: {self.where}" if self.where else place
        return Problem(self.code, where, self.message, self.fix, self.severity)

    def as_json(self) -> dict[str, str | None]:
        """Return the five fields as a JSON-ready dictionary."""
        return asdict(self)


class LapsError(Exception):
    """Root of all errors of this library; carries the problems that it reports.

    Parameters
    ----------
    *problems : Problem
        At least one. The text shows the first 20, most severe first, then by place, and counts the rest.

    Examples
    --------
    >>> raise LapsError(Problem("empty", "tracks", "expected at least one view, got none"))
    Traceback (most recent call last):
    lapsdata.errors.LapsError: tracks: expected at least one view, got none [empty]
    """

    problems: tuple[Problem, ...]

    def __init__(self, *problems: Problem) -> None:
        if not problems:
            raise TypeError(f"{type(self).__name__} needs at least one Problem")
        super().__init__(*problems)
        self.problems = tuple(sorted(problems, key=lambda p: (_RANK[p.severity], p.where, p.code)))

    def __str__(self) -> str:
        lines = [str(problem) for problem in self.problems[:_SHOWN]]
        if len(self.problems) > 1:
            lines.insert(0, f"{len(self.problems)} problems:")
        if len(self.problems) > _SHOWN:
            lines.append(f"... and {len(self.problems) - _SHOWN} more")
        return "\n  ".join(lines)

    def within(self, place: str) -> Self:
        """Return the same error with `place` (usually a file) put before each problem's `where`."""
        return type(self)(*(problem.within(place) for problem in self.problems))


class SchemaError(LapsError, ValueError):
    """A header, table or array does not keep its contract: key, type, shape, dtype, range or order."""


class LengthMismatchError(SchemaError):
    """Two things that must be equally long are not; both lengths are in the message."""


class CorruptDataError(LapsError):
    """Bytes are not those that were written: a checksum, seal or length does not fit."""


class UnknownFormatError(LapsError, LookupError):
    """No installed format recognises the file, or no format has the name that was asked for."""


class AmbiguousFormatError(LapsError, LookupError):
    """Several formats recognise the file; the caller must name one."""


class FormatTooNewError(LapsError):
    """The file was written by a newer major version of the format than this release can read."""


class MissingExtraError(LapsError, ImportError):
    """An optional dependency is not installed; the message holds the command that installs it."""


class StorageError(LapsError):
    """The file system refused: no such file, no permission, no space left, or the target exists."""


class PluginError(LapsError):
    """Two plug-ins claim one name, or a plug-in that was asked for by name cannot be loaded."""


class LapsWarning(UserWarning):
    """Something that does not stop the work but that the user must know; always names its subject."""


def warn(message: str, category: type[LapsWarning] = LapsWarning) -> None:
    """Warn at the line that called this distribution, however deep inside of it the reason was found.

    Parameters
    ----------
    message : str
    category : type of LapsWarning

    Examples
    --------
    >>> import warnings
    >>> with warnings.catch_warnings(record=True) as seen:
    ...     warnings.simplefilter("always")
    ...     warn("clip.h5: written by other code")
    >>> [str(item.message) for item in seen]
    ['clip.h5: written by other code']
    """
    level, frame = 1, inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _OURS:
        level, frame = level + 1, frame.f_back
    warnings.warn(shown(message), category, stacklevel=level)


def whole_number(value: Any) -> int | None:  # noqa: ANN401 - anything may be asked about
    """Return an integer of any library as an int; None for everything else, a bool of any library included.

    Parameters
    ----------
    value : object

    Returns
    -------
    int or None

    Examples
    --------
    >>> [whole_number(value) for value in (16, 16.0, True, "16")]
    [16, None, None, None]
    """
    # Tensors of booleans give an index as well.
    if isinstance(value, bool) or str(getattr(value, "dtype", "")).endswith("bool"):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


class Problems:
    """Collects problems so that all of them are reported at once.

    Examples
    --------
    >>> found = Problems("clip.h5")
    >>> found.add("wrong-dtype", "vis", "expected bool, got int64")
    >>> found.add("wrong-shape", "tracks", "expected (W, T, N, 2), got (3,)")
    >>> found.raise_as(SchemaError)
    Traceback (most recent call last):
    lapsdata.errors.SchemaError: 2 problems:
      clip.h5: tracks: expected (W, T, N, 2), got (3,) [wrong-shape]
      clip.h5: vis: expected bool, got int64 [wrong-dtype]
    """

    def __init__(self, place: str = "") -> None:
        self._place = place
        self._found: list[Problem] = []

    def add(self, code: str, where: str, message: str, fix: str | None = None, severity: Severity = "error") -> None:
        """Note one problem; `where` is completed by the place given to the constructor."""
        self.extend([Problem(code, where, message, fix, severity)])

    def extend(self, problems: Iterable[Problem]) -> None:
        """Note problems that were found elsewhere, seen from this place."""
        self._found.extend(p.within(self._place) if self._place else p for p in problems)

    def __iter__(self) -> Iterator[Problem]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def raise_as(self, kind: type[LapsError]) -> None:
        """Raise `kind` with everything noted at severity "error"; return if there is none."""
        errors = [problem for problem in self._found if problem.severity == "error"]
        if errors:
            raise kind(*errors)

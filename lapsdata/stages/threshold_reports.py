"""A threshold by the file that holds it: a record of ours, or one of several in a report, named by its key.

`R.json` is a record that `lapsdata threshold` wrote. `R.json:KEY` is one of a JSON object: of records by name, of
numbers, or what LAPS writes (`best_threshold_*.json`), where keys of keys are told with dots:
`R.json:quantized_token_diff_best.best_f1`. A key that is not there is an error that names those that are; nothing is
taken in its place. A file whose own name holds a colon is that file.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lapsdata.errors import Problem, SchemaError, StorageError
from lapsdata.schema.threshold import ThresholdRecord
from lapsdata.stages.threshold import Measure, expect_same_measure, read_threshold
from lapsdata.storage.atomic import storage_errors
from lapsdata.storage.sealed_json import parse_sealed_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lapsdata.containers import Energies

__all__ = ["NamedThreshold", "named_threshold"]

# What a number is called that is a threshold; LAPS says `thr`.
_NAMES = ("value", "thr", "threshold")


class NamedThreshold(NamedTuple):
    """A threshold, and where it stands.

    Parameters
    ----------
    value : float
    path : Path
        The file.
    text : str
        The file and the key, as they were given.
    record : ThresholdRecord or None
        None where the file says a number alone: what it measures is not known then.

    Examples
    --------
    >>> NamedThreshold(0.5, Path("best.json"), "best.json:thr", None).value
    0.5
    """

    value: float
    path: Path
    text: str
    record: ThresholdRecord | None

    def problems(self, energies: Energies, parameters: Mapping[str, Any] | None = None) -> tuple[Problem, ...]:
        """Say how what it is used for differs from what it was told from.

        Parameters
        ----------
        energies : Energies
        parameters : mapping, optional
            Of the state machine that it is used in.

        Returns
        -------
        tuple of Problem
            At severity "warning": see `lapsdata.segmenters.energy_shift`; `other-rules` where it was searched for with
            other parameters of the state machine.

        Raises
        ------
        SchemaError
            The energies measure something else (`wrong-measure`).
        """
        from lapsdata.segmenters.energy_shift import shift_problems

        record = self.record
        if record is None:
            return ()
        expect_same_measure(record, Measure.of(energies.header), self.text)
        problems = shift_problems(energies, quantiles=record.quantiles, value=record.value, above=record.above)
        search = record.boundary_search
        if search is None or parameters is None:
            return problems
        told = search.segmenter.parameters
        other = [name for name in told if name != "threshold" and told[name] != parameters.get(name)]
        if not other:
            return problems
        message = (
            f"expected the state machine that the threshold was searched for with, "
            f"{', '.join(f'{name}={told[name]}' for name in other)}, got "
            f"{', '.join(f'{name}={parameters.get(name)}' for name in other)}"
        )
        fix = "give both the same --set, or search again"
        return (*problems, Problem("other-rules", "threshold", message, fix, "warning"))


def named_threshold(text: str) -> NamedThreshold | None:
    """Return the threshold that a text names by its file; None where it names none: a word or a number.

    Raises
    ------
    StorageError
        There is no such file, or it cannot be read.
    CorruptDataError
        It is a record, and not what was written.
    SchemaError
        No JSON object (`not-json`), no such key (`no-key`), or none where the file holds several; a number that is no
        threshold (`wrong-value`); two numbers by the same keys (`doubled-key`).

    Examples
    --------
    >>> import tempfile
    >>> named_threshold("otsu") is None
    True
    >>> path = Path(tempfile.mkdtemp()) / "best.json"
    >>> _ = path.write_text('{"flow_best": {"best_f1": {"thr": 0.5}, "best_j": {"thr": 0.75}}}')
    >>> named_threshold(f"{path}:flow_best.best_j").value
    0.75
    """
    file, key = Path(text), None
    if not file.is_file():
        head, _, tail = text.rpartition(":")
        if head and (Path(head).is_file() or Path(head).suffix == ".json"):
            file, key = Path(head), tail
        elif file.suffix != ".json":
            return None
    document = _object(file)
    if key is None and document.get("format") == "lapsdata.threshold":
        record = read_threshold(file)
        return NamedThreshold(record.value, file, text, record)
    found = _by_key(document, file)
    for name in () if key is None else (key, *(f"{key}.{one}" for one in _NAMES)):
        if name in found:
            value, kept = found[name]
            if not math.isfinite(value):
                message = f"expected a finite threshold by the key {name!r}, got {value}"
                raise SchemaError(Problem("wrong-value", str(file), message, "search for it again"))
            return NamedThreshold(value, file, text, kept)
    good = [name for name in found if name.rpartition(".")[2] in _NAMES] or list(found)
    got = "no key" if key is None else f"'{key}'"
    message = f"expected a key of a threshold, got {got}; there are {', '.join(good) or 'none'}"
    raise SchemaError(Problem("no-key", str(file), message, f"name one: {file.name}:KEY"))


def _object(path: Path) -> dict[str, Any]:
    if path.is_dir():
        raise StorageError(Problem("wrong-kind", str(path), "expected a file, got a folder"))
    with storage_errors(path, "read"):
        data = path.read_bytes()
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        message = f"expected one JSON object, got unreadable text ({error})"
        raise SchemaError(Problem("not-json", str(path), message)) from None
    if not isinstance(document, dict):
        raise SchemaError(Problem("not-json", str(path), f"expected one JSON object, got {type(document).__name__}"))
    return document


def _by_key(document: dict[str, Any], path: Path) -> dict[str, tuple[float, Any]]:
    found: dict[str, tuple[float, Any]] = {}
    for name, one in _thresholds(document, path):
        if name in found:
            message = f"expected each key once, got two numbers by the keys {name!r}"
            raise SchemaError(Problem("doubled-key", str(path), message, "rename the key that holds a dot"))
        found[name] = one
    return found


def _thresholds(document: dict[str, Any], path: Path, inside: str = "") -> Iterator[tuple[str, tuple[float, Any]]]:
    """Yield every number by its keys, and with it the record that it is the value of."""
    if document.get("format") == "lapsdata.threshold":
        text = json.dumps(document).encode()
        where = f"{path}: {inside.removesuffix('.')}" if inside else str(path)
        sealed = "x-seal" in document
        record = parse_sealed_json(text, ThresholdRecord, where) if sealed else ThresholdRecord.parse(text, where)
        yield f"{inside}value", (record.value, record)
        return
    for name, one in document.items():
        if isinstance(one, dict):
            yield from _thresholds(one, path, f"{inside}{name}.")
        elif isinstance(one, (int, float)) and not isinstance(one, bool):
            yield f"{inside}{name}", (_number(one), None)


def _number(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        # A whole number of JSON may have any number of digits.
        return math.inf if value > 0 else -math.inf

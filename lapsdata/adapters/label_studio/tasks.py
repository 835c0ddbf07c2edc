"""Tasks of an export, in its full form and in `json_min`, and which of their annotations counts."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from lapsdata.errors import Problem, SchemaError, listed
from lapsdata.storage.atomic import existing, storage_errors

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lapsdata.errors import Problems

__all__ = ["CHOICES", "Answer", "Choice", "Task", "read_tasks"]

CHOICES = ("best", "newest", "first", "predictions", "predictions:NAME")
"""Which annotation of a task is taken."""

_EXPORT = "export the project as JSON again"
# Exports of before 2020 say `completions`.
_ANNOTATIONS = ("annotations", "completions")
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_GEOMETRY = ("x", "y", "width", "height")


class Task(NamedTuple):
    """A task: what is annotated, and what was said of it.

    Parameters
    ----------
    where : str
        File and task, for messages.
    data : dict
    annotations, predictions : list
        As the file has them.
    """

    where: str
    data: dict[str, Any]
    annotations: list[Any]
    predictions: list[Any]


class Answer(NamedTuple):
    """What is taken of a task: regions, the score of all of them where there is one, and who says so."""

    result: list[Any]
    score: Any
    source: str


def read_tasks(path: Path, problems: Problems) -> list[Task]:
    """Read a file of tasks, one task, or the rows of `json_min`.

    Parameters
    ----------
    path : Path
    problems : Problems
        What is wrong with single tasks is noted there.

    Raises
    ------
    SchemaError
        No such JSON, or no task in it.
    StorageError
        It cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.errors import Problems
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "export.json"
    >>> _ = path.write_text('{"id": 3, "data": {"image": "a/1.jpg"}, "annotations": []}')
    >>> read_tasks(path, Problems())[0].data
    {'image': 'a/1.jpg'}
    """
    document = _load(path)
    rows = [document] if isinstance(document, dict) else document
    if not isinstance(rows, list) or not rows:
        got = "none" if rows == [] else type(rows).__name__
        raise SchemaError(Problem("no-tasks", str(path), f"expected a list of tasks, got {got}", _EXPORT))
    found: list[Task] = []
    flat: dict[object, list[tuple[str, dict[str, Any]]]] = {}
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            message = f"expected a task with data and annotations, got {_short(row)}"
            problems.add("wrong-task", f"{path}: entry {number}", message, _EXPORT)
            continue
        name = row.get("id")
        where = f"{path}: task {name}" if name is not None else f"{path}: entry {number}"
        if "data" in row:
            found += _task(where, row, problems)
        elif _is_flat(row):
            flat.setdefault(("entry", number) if name is None else str(name), []).append((where, row))
        else:
            message = f"expected a task with the key data, got the keys {listed(row)}"
            problems.add("wrong-task", where, message, _EXPORT)
    return [*found, *(_of_flat(rows) for rows in flat.values())]


def _load(path: Path) -> object:
    with storage_errors(existing(path), "read"):
        data = path.read_bytes()

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        document = dict(pairs)
        if len(document) < len(pairs):
            twice = sorted(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
            message = f"expected each key once, got twice: {', '.join(twice)}"
            raise SchemaError(Problem("duplicate-key", str(path), message, _EXPORT))
        return document

    try:
        # NaN is let through here: of a region it is told with its place.
        document: object = json.loads(data.decode("utf-8-sig"), object_pairs_hook=unique)
    except UnicodeDecodeError as error:
        message = f"expected JSON in UTF-8, got: {error}"
        raise SchemaError(Problem("wrong-text", str(path), message, _EXPORT)) from None
    except json.JSONDecodeError as error:
        message = f"expected whole JSON, got: {error}"
        raise SchemaError(Problem("not-json", str(path), message, f"it may be cut short: {_EXPORT}")) from None
    except (ValueError, RecursionError) as error:
        raise SchemaError(Problem("not-json", str(path), f"expected JSON that can be read, got: {error}")) from None
    return document


def _task(where: str, row: dict[str, Any], problems: Problems) -> list[Task]:
    lists: list[list[Any]] = []
    wrong = 0
    for names, kind in ((("data",), dict), (_ANNOTATIONS, list), (("predictions",), list)):
        key = next((name for name in names if row.get(name) is not None), None)
        value: Any = kind() if key is None else row[key]
        if not isinstance(value, kind):
            wrong += 1
            message = f"expected {'an object' if kind is dict else 'a list'}, got {_short(value)}"
            problems.add("wrong-task", f"{where}: {key}", message, _EXPORT)
        lists.append(value)
    data, annotations, predictions = lists
    return [] if wrong else [Task(where, data, annotations, predictions)]  # type: ignore[arg-type]


def _is_flat(row: dict[str, Any]) -> bool:
    return "annotation_id" in row or "annotator" in row or any(_regions(value) for value in row.values())


def _regions(value: object) -> bool:
    """Say whether a value of `json_min` is a list of regions."""
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) and _is_region(one) for one in value)


def _is_region(item: dict[str, Any]) -> bool:
    return "original_width" in item or "sequence" in item or all(key in item for key in _GEOMETRY)


def _of_flat(rows: list[tuple[str, dict[str, Any]]]) -> Task:
    """Return the rows of one task in `json_min` as that task: there each annotation is a row."""
    where, first = rows[0]
    data = {key: value for key, value in first.items() if not _regions(value) and key not in ("id", "annotation_id")}
    annotations = [
        {
            "id": row.get("annotation_id"),
            "updated_at": row.get("updated_at"),
            "created_at": row.get("created_at"),
            "result": _flat_result(row),
        }
        for _, row in rows
        if "annotation_id" in row or "annotator" in row or any(map(_regions, row.values()))
    ]
    return Task(where, data, annotations, [])


def _flat_result(row: dict[str, Any]) -> list[dict[str, Any]]:
    """Return regions without ids. A rectangle and its label are two of them, which the same place joins."""
    found: list[dict[str, Any]] = []
    for name, value in row.items():
        if _regions(value):
            found += [{"type": _flat_kind(item), "from_name": name, "value": item, "id": None} for item in value]
    for item in found:
        if item["type"] in ("rectangle", "labels", "choices"):
            # A key of this form is no id: it says which of these belong together.
            item["join"] = repr([item["value"].get(key) for key in (*_GEOMETRY, "rotation")])
    return found


def _flat_kind(item: dict[str, Any]) -> str:
    if "sequence" in item:
        return "videorectangle"
    named = [key for key in item if key.endswith("labels")]
    if named:
        return named[0]
    return next((kind for key, kind in (("points", "polygon"), ("radiusX", "ellipse"), ("choices", "choices"))
                 if key in item), "rectangle")  # fmt: skip


@dataclass
class Choice:
    """Takes one annotation of each task, and counts what there was to choose from.

    Parameters
    ----------
    how : str
        `best`: the ground truth, else one that was not cancelled, else the newest; `newest` and `first` of those that
        were not cancelled; `predictions`, or those of one model.
    problems : Problems
    """

    how: str
    problems: Problems
    chosen: int = 0
    cancelled: int = 0
    revived: int = 0
    unanswered: int = 0
    predicted: int = 0
    models: Counter[str] = field(default_factory=Counter)

    def of(self, task: Task) -> Answer | None:
        """Return what counts of a task; None where nobody has annotated it."""
        self.predicted += bool(task.predictions)
        kind, _, model = self.how.partition(":")
        found = self._predicted(task, model) if kind == "predictions" else self._annotated(task, kind)
        self.unanswered += found is None
        return found

    def _annotated(self, task: Task, kind: str) -> Answer | None:
        items = self._checked(task, "annotation", task.annotations)
        if items is None:
            return None
        kept = [item for item in items if not item[0].get("was_cancelled")]
        self.cancelled += bool(items) and not kept
        if not kept:
            return None
        if kind == "first":
            best = kept[0]
        elif kind == "newest":
            best = max(reversed(kept), key=lambda item: item[1])
        else:
            # Of equal ones the one that stands last: the first maximum from the end.
            best = max(reversed(items), key=lambda item: (bool(item[0].get("ground_truth")), item in kept, item[1]))
        self.chosen += len(items) > 1
        self.revived += best not in kept
        return Answer(best[0]["result"], None, "truth")

    def _predicted(self, task: Task, model: str) -> Answer | None:
        items = self._checked(task, "prediction", task.predictions)
        if items is None:
            return None
        for item, _ in items:
            self.models[str(item.get("model_version") or "predictions")] += 1
        kept = [item for item in items if not model or str(item[0].get("model_version")) == model]
        if not kept:
            return None
        best = max(reversed(kept), key=lambda item: item[1])[0]
        self.chosen += len(kept) > 1
        return Answer(best["result"], best.get("score"), str(best.get("model_version") or "predictions"))

    def _checked(self, task: Task, name: str, items: list[Any]) -> list[tuple[dict[str, Any], datetime]] | None:
        """Return items with the time of their last change; None where one of them is none."""
        found: list[tuple[dict[str, Any], datetime]] = []
        for number, item in enumerate(items):
            where = f"{task.where}: {name} {number}"
            if not isinstance(item, dict) or not isinstance(item.get("result"), list):
                got = _short(item.get("result") if isinstance(item, dict) else item)
                message = f"expected an object with a list of regions as result, got {got}"
                self.problems.add("wrong-annotation", where, message, _EXPORT)
                continue
            told = item.get("updated_at") or item.get("created_at")
            time = _time(told)
            if time is None:
                message = f"expected a time, as 2024-01-30T02:40:43Z, got {_short(told)}"
                self.problems.add("wrong-time", f"{where}: updated_at", message, _EXPORT)
                continue
            found.append((item, time))
        return found if len(found) == len(items) else None

    def notes(self, add: Callable[..., None], path: Path, tasks: int) -> None:
        """Tell what there was to choose from, through `add(code, where, count, message, fix, info=)`."""
        where = str(path)
        rule = {"best": "the ground truth, else the newest that was not skipped"}.get(self.how, self.how)
        message = f"{self.chosen} of {tasks} tasks have several annotations: taken is {rule}"
        fix = f"--annotations takes another: {', '.join(CHOICES)}"
        add("annotation-chosen", where, self.chosen, message, fix, info=True)
        message = f"{self.revived} tasks have a ground truth that was skipped later: it is taken all the same"
        add("skipped-truth", where, self.revived, message, "look at them in Label Studio")
        message = f"{self.cancelled} of {tasks} tasks were skipped by who annotated them: not annotated"
        add("skipped-tasks", where, self.cancelled, message)

    def expect_one_model(self, path: Path) -> None:
        """Note where predictions of several models stand there, and none of them was named, or another one."""
        kind, _, model = self.how.partition(":")
        if kind != "predictions":
            return
        there = listed(sorted(self.models))
        if model and model not in self.models:
            message = f"expected predictions of {there}, got {model!r}"
            self.problems.add("unknown-model", str(path), message, "name one of them")
        elif not model and len(self.models) > 1:
            message = f"expected the predictions of one model, got those of {there}"
            self.problems.add("several-models", str(path), message, "name one: --annotations predictions:NAME")


def _time(told: object) -> datetime | None:
    """Return a time of an export, that of long ago where there is none; None where it is no time."""
    if told is None:
        return _LONG_AGO
    try:
        time = datetime.fromisoformat(told)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."

"""Whether boxes of others can be read, and what is to be said of them; alone, and beside a truth or images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.adapters import find_adapter, read_adapted, read_boxes
from lapsdata.checks.detections import beside_truth, coverage, coverage_problems
from lapsdata.checks.outcome import CheckedItem, refused
from lapsdata.containers import Boxes
from lapsdata.errors import LapsError, Problem, UnknownFormatError
from lapsdata.schema.boxes import frames_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lapsdata.adapters import Adapter

__all__ = ["boxes_adapter", "check_boxes", "compare_boxes"]


def boxes_adapter(path: Path) -> Adapter | None:
    """Return the adapter that reads a file or folder as boxes; None where none does.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "det_db.json"
    >>> _ = path.write_text('{"train/a/img1/000001": []}')
    >>> boxes_adapter(path).name
    'detection_db'
    """
    found = find_adapter(path, ("boxes",))
    return None if found is None else found[0]


def check_boxes(path: Path, adapter: Adapter) -> CheckedItem:
    """Read boxes of others, and tell what is wrong with them.

    Parameters
    ----------
    path : Path
    adapter : Adapter
        The one that knows it.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "det_db.json"
    >>> _ = path.write_text('{"train/a/img1/000001": []}')
    >>> item = check_boxes(path, boxes_adapter(path))
    >>> item.found, [problem.code for problem in item.problems]
    ('detection_db: 1 sequence, 1 of 1 frames annotated, 0 boxes', ['empty-database'])
    """
    try:
        adapted = read_adapted(adapter, path, {})
    except LapsError as error:
        return refused(path, adapter.name, error)
    boxes = adapted.container
    if not isinstance(boxes, Boxes):
        raise TypeError(f"{adapter.name} promises boxes, and reads {type(boxes).__name__}")
    sequences = boxes.header.sequences
    annotated = sum(frames_in(one.annotated) for one in sequences)
    frames = sum(one.length for one in sequences)
    note = (
        f"{len(sequences):,} sequence{'s' * (len(sequences) != 1)}, {annotated:,} of {frames:,} frames annotated, "
        f"{len(boxes):,} box{'es' * (len(boxes) != 1)}"
    )
    files = (str(path), str(path.absolute()))
    told = tuple(one if one.where.startswith(files) else one.within(files[0]) for one in adapted.told(path))
    return CheckedItem(path, adapter.name, None, 0, note, told)


def compare_boxes(path: Path, against: Path, truth: Boxes | None) -> Iterator[Problem]:
    """Yield how detections lie beside images and a truth.

    Parameters
    ----------
    path : Path
        The detections.
    against : Path
        Images are looked for in it where it is a folder.
    truth : Boxes or None

    Raises
    ------
    LapsError
        The detections cannot be read, or are none.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "det_db.json").write_text('{"a/img1/000001": ["1,2,3,4,0.5"]}')
    >>> (folder / "a" / "img1").mkdir(parents=True)
    >>> (folder / "a" / "img1" / "000002.jpg").touch()
    >>> [one.code for one in compare_boxes(folder / "det_db.json", folder, None)]
    ['frames-not-covered', 'frames-without-image']
    """
    found = read_boxes(path)
    if found is None:
        message = "expected boxes to compare with images or a truth, got none"
        raise UnknownFormatError(Problem("unknown-format", str(path), message, "name a detection database"))
    boxes = found.boxes
    told: set[tuple[str, str]] = set()
    if against.is_dir():
        covered = coverage(boxes, against)
        # A truth in files of text alone lies beside no images.
        if truth is None or any(one.folder is not None for one in covered):
            for problem in coverage_problems(covered, against):
                told.add((problem.code, problem.where))
                yield problem
    if truth is not None:
        yield from (one for one in beside_truth(boxes, truth) if (one.code, one.where) not in told)

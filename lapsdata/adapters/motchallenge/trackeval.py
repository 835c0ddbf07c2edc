"""Truth and results where TrackEval's own options say they lie: GT_FOLDER, TRACKERS_FOLDER, SKIP_SPLIT_FOL, seqmaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lapsdata.adapters._texts import lines
from lapsdata.adapters.motchallenge.places import DATA, SEQMAPS
from lapsdata.adapters.motchallenge.seqinfo import read_seqinfo
from lapsdata.errors import Problems, SchemaError, listed
from lapsdata.storage.atomic import existing, storage_errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["GT_FORMAT", "TrackEvalSequence", "read_seqmap", "trackeval_sequences"]

GT_FORMAT = "{gt_folder}/{seq}/gt/gt.txt"
"""TrackEval's GT_LOC_FORMAT by default."""


@dataclass(frozen=True, slots=True)
class TrackEvalSequence:
    """One sequence of an evaluation.

    Parameters
    ----------
    name : str
    truth : Path
    results : dict of Path
        By tracker.
    length : int or None
        Number of frames; None where it is neither told nor in `seqinfo.ini`.
    """

    name: str
    truth: Path
    results: Mapping[str, Path]
    length: int | None


def trackeval_sequences(
    gt_folder: Path,
    trackers_folder: Path,
    *,
    benchmark: str = "MOT17",
    split: str = "train",
    skip_split_folder: bool = False,
    seqmap: Path | None = None,
    seqmap_folder: Path | None = None,
    lengths: Mapping[str, int | None] | None = None,
    trackers: Iterable[str] | None = None,
    gt_format: str = GT_FORMAT,
    tracker_sub_folder: str = DATA,
) -> tuple[TrackEvalSequence, ...]:
    """Return the sequences of an evaluation in order of the seqmap; every file that is missing is named.

    Parameters
    ----------
    gt_folder, trackers_folder : Path
        GT_FOLDER and TRACKERS_FOLDER.
    benchmark, split : str
        BENCHMARK and SPLIT_TO_EVAL: both folders have a folder `<benchmark>-<split>`, unless `skip_split_folder`
        (SKIP_SPLIT_FOL).
    seqmap, seqmap_folder : Path, optional
        SEQMAP_FILE, or SEQMAP_FOLDER, by default `seqmaps` in `gt_folder`, which has `<benchmark>-<split>.txt`. Where
        there is none, every folder with truth is a sequence, as TrackEval does not allow.
    lengths : mapping of int, optional
        SEQ_INFO: sequences and their number of frames, in place of a seqmap.
    trackers : iterable of str, optional
        TRACKERS_TO_EVAL; by default every folder of `trackers_folder`.
    gt_format : str
        GT_LOC_FORMAT.
    tracker_sub_folder : str
        TRACKER_SUB_FOLDER.

    Raises
    ------
    SchemaError
        No sequence or tracker, or files of truth and results that are not there.
    StorageError
        A folder is not there, or may not be looked into.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> root = pathlib.Path(tempfile.mkdtemp())
    >>> for name in ("gt/a/gt/gt.txt", "trackers/ours/data/a.txt"):
    ...     (root / name).parent.mkdir(parents=True)
    ...     _ = (root / name).write_text("1,1,10,10,5,5,1,1,1")
    >>> [one] = trackeval_sequences(root / "gt", root / "trackers", skip_split_folder=True)
    >>> one.name, sorted(one.results)
    ('a', ['ours'])
    """
    both = "" if skip_split_folder else f"{benchmark}-{split}"
    truth_folder, results_folder = existing(gt_folder / both), existing(trackers_folder / both)
    problems = Problems()
    names = _names(gt_folder, truth_folder, f"{benchmark}-{split}", seqmap, seqmap_folder, lengths, gt_format)
    every = sorted(trackers) if trackers is not None else _folders(results_folder)
    if not names:
        message = "expected sequences with truth, got none"
        problems.add("no-sequences", str(truth_folder), message, "look at the seqmap, or at how truth files are called")
    if not every:
        problems.add("no-trackers", str(results_folder), "expected a folder for each tracker, got none")
    found = []
    for name in names:
        truth = _truth(gt_format, truth_folder, name)
        results = {one: results_folder / one / tracker_sub_folder / f"{name}.txt" for one in every}
        _expect(truth, "truth", name, problems)
        for one, path in results.items():
            _expect(path, one, name, problems)
        length = (lengths or {}).get(name)
        if length is None:
            length = read_seqinfo(truth_folder / name, problems).length
        found.append(TrackEvalSequence(name, truth, results, length))
    problems.raise_as(SchemaError)
    return tuple(found)


def read_seqmap(path: Path) -> tuple[str, ...]:
    r"""Return the sequences that a seqmap lists, below its line of names.

    Raises
    ------
    SchemaError
        A sequence stands twice, or none does.
    StorageError
        It cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "all.txt"
    >>> _ = path.write_text("name\nMOT17-02-FRCNN\nMOT17-04-FRCNN\n")
    >>> read_seqmap(path)
    ('MOT17-02-FRCNN', 'MOT17-04-FRCNN')
    """
    problems = Problems(str(path))
    rows = [(number, line.split(",")[0].strip()) for number, line in lines(path, "\0")]
    rows = [(number, name) for number, name in rows if name]
    # TrackEval leaves the first line out whatever it says: then a sequence would never be scored.
    if rows and rows[0][1] == "name":
        rows = rows[1:]
    elif rows:
        message = f"expected `name` above the sequences, got {rows[0][1]!r}"
        problems.add(
            "wrong-seqmap", f"line {rows[0][0]}", message, "write it there: TrackEval leaves the first line out"
        )
    seen: set[str] = set()
    for number, name in rows:
        if name in seen:
            problems.add("sequence-twice", f"line {number}", f"expected each sequence once, got {name} again")
        seen.add(name)
    problems.raise_as(SchemaError)
    return tuple(name for _, name in rows)


def _names(
    gt_folder: Path,
    truth_folder: Path,
    both: str,
    seqmap: Path | None,
    seqmap_folder: Path | None,
    lengths: Mapping[str, int | None] | None,
    gt_format: str,
) -> tuple[str, ...]:
    if lengths:
        return tuple(lengths)
    listing = seqmap or (seqmap_folder or gt_folder / SEQMAPS) / f"{both}.txt"
    if listing.is_file() or seqmap is not None or seqmap_folder is not None:
        return read_seqmap(existing(listing))
    return tuple(name for name in _folders(truth_folder) if _truth(gt_format, truth_folder, name).is_file())


def _truth(gt_format: str, folder: Path, name: str) -> Path:
    return type(folder)(gt_format.replace("{gt_folder}", str(folder)).replace("{seq}", name))


def _folders(folder: Path) -> tuple[str, ...]:
    with storage_errors(folder, "list"):
        return tuple(sorted(one.name for one in folder.iterdir() if one.is_dir() and not one.name.startswith(".")))


def _expect(path: Path, whose: str, name: str, problems: Problems) -> None:
    if not path.is_file():
        beside = sorted(one.name for one in path.parent.glob("*.txt")) if path.parent.is_dir() else []
        got = f"got {listed(beside)}" if beside else "got nothing"
        message = f"expected a file of {whose} for {name}, {got}"
        problems.add("missing-file", str(path), message, "where nothing was found, write an empty file")

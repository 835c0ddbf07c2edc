"""Labels per frame as MS-TCN and its followers lay them out: GTEA, 50Salads, Breakfast, and the results of models.

A data set is a folder with `groundTruth/<video>.txt`, one label per line, and as a rule `mapping.txt` (number and name
of each class) and `splits/<split>.bundle` (a video per line). Results are files without an ending: a line of `#`, then
the labels of all frames in one line. Neither holds a time: the rate is told, or known by the classes of `mapping.txt`
where these are GTEA's, Breakfast's (15) or 50Salads' (30).
A run of equal labels is a segment, background as any other: what counts as background is said where it is scored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.adapters._adapter import Adapted, Adapter, Writer
from lapsdata.adapters._known_rates import known_rate
from lapsdata.adapters._synthetic import MARKER, synthetic_root
from lapsdata.adapters._texts import RANGE
from lapsdata.adapters._written_labels import LONGEST_LABEL, write_frame_labels
from lapsdata.containers import Segments
from lapsdata.errors import Problem, Problems, SchemaError, listed
from lapsdata.metrics import runs_of
from lapsdata.provenance import marked_synthetic, parent, provenance
from lapsdata.schema import SegmentedVideo, SegmentsHeader
from lapsdata.storage.atomic import existing, storage_errors
from lapsdata.timebase import FrameRate, frame_to_s

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.schema import EndReason

__all__ = ["PLUGIN", "class_numbers", "labels_of", "read", "read_split", "split_beside", "train_split"]

_TRUTH, _SPLITS, _MAPPING, _BUNDLE = "groundTruth", "splits", "mapping.txt", ".bundle"
_RESULT = b"### Frame level recognition"


def recognises(path: Path) -> str | None:
    """Return "segments" for a data set, its `groundTruth`, a file in that, a result, and a folder of results."""
    if path.is_dir():
        with storage_errors(path, "list"):
            if path.name == _TRUTH or (path / _TRUTH).is_dir():
                return "segments"
            first = next((one for one in sorted(path.iterdir()) if one.is_file()), None)
        return "segments" if first is not None and _is_result(first) else None
    return "segments" if path.parent.name == _TRUTH or _is_result(path) else None


def _is_result(path: Path) -> bool:
    if path.suffix:
        return False
    with storage_errors(path, "open"), path.open("rb") as file:
        return file.read(len(_RESULT)) == _RESULT


def read(
    path: Path,
    *,
    rate: FrameRate | float | str | None = None,
    split: str | None = None,
) -> Adapted:
    r"""Read the labels of all videos, or of those of a split.

    Parameters
    ----------
    path : Path
        See `recognises`.
    rate : FrameRate, number or str, optional
        Frames per second of the labels; known by itself for the three data sets, which is told.
    split : str, optional
        Name of a file in `splits` without its ending, such as `test.split1`; its order is kept.

    Returns
    -------
    Adapted
        Segments without gaps. Labels that `mapping.txt` does not have are told.

    Raises
    ------
    SchemaError
        No rate, told or known (`no-times`), no file, an empty line or file, ranges of frames, a split that is not there
        (`no-split`) or has a video that is not: every one named.
    StorageError
        It cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp()) / "groundTruth"
    >>> folder.mkdir()
    >>> _ = (folder / "S1_Tea.txt").write_text("\n".join(["take", "take", "pour", ""]))
    >>> segments = read(folder.parent, rate=2).container
    >>> segments.label, segments.end_s.tolist()
    (('take', 'pour'), [1.0, 1.5])
    """
    files = _files(existing(path), split)
    numbers = class_numbers(path)
    classes = None if numbers is None else set(numbers)
    per_s, origin = _rate(path, rate, classes)
    labels = _labels_of(files)
    notes = _notes(path, labels, classes)
    synthetic = synthetic_root(_root(path))
    if synthetic is not None:
        notes.append(Problem("synthetic", str(_root(path) / MARKER), synthetic, None, "warning"))
    if rate is None:
        notes.append(Problem("known-rate", str(path), f"taken for {origin}", "--rate says another one", "info"))
    return Adapted(_segments(path, labels, per_s, synthetic), tuple(notes), rate=per_s, rate_origin=origin)


def labels_of(path: Path, split: str | None = None) -> dict[str, list[str]]:
    r"""Return the label of each frame, by video.

    Parameters
    ----------
    path, split
        As `read`.

    Raises
    ------
    SchemaError, StorageError
        As `read`.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp()) / "groundTruth"
    >>> folder.mkdir()
    >>> _ = (folder / "S1_Tea.txt").write_text("take\npour\n")
    >>> labels_of(folder)
    {'S1_Tea': ['take', 'pour']}
    """
    return _labels_of(_files(existing(path), split))


def _labels_of(files: dict[str, Path]) -> dict[str, list[str]]:
    problems = Problems()
    labels = {name: found for name, file in files.items() if (found := _labels(file, problems)) is not None}
    problems.raise_as(SchemaError)
    return labels


def _root(path: Path) -> Path:
    """Return the folder of the data set that a folder, or a file of labels, lies in."""
    folder = path.parent if path.is_file() else path
    return folder.parent if folder.name == _TRUTH else folder


def read_split(path: Path) -> tuple[str, ...]:
    r"""Return the videos of a split, in its order.

    A line is a name with or without `.txt`; lines of other makers begin with folders (`./data/groundTruth/`), and their
    files with `#bundle`.

    Raises
    ------
    SchemaError
        No name, or one twice.
    StorageError
        It cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "test.split1.bundle"
    >>> _ = path.write_text("#bundle\n./data/groundTruth/P03_tea.txt\nP04_tea.txt\n")
    >>> read_split(path)
    ('P03_tea', 'P04_tea')
    """
    with storage_errors(path, "read"):
        lines = path.read_text(encoding="utf-8").splitlines()
    names = [_video(line.strip().rpartition("/")[2]) for line in lines if line.strip() and not line.startswith("#")]
    if not names:
        raise SchemaError(Problem("no-videos", str(path), "expected a video per line, got none"))
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SchemaError(Problem("doubled-video", str(path), f"expected each video once, got {listed(twice)} again"))
    return tuple(names)


def train_split(path: Path, split: str) -> str | None:
    """Return the name of the training videos that belong to a split, `train.split1` to `test.split1`.

    None where `split` is not of that form, or the folder has no such file.

    Examples
    --------
    >>> import pathlib
    >>> train_split(pathlib.Path("nowhere"), "test.split1") is None
    True
    """
    part, _, rest = split.partition(".")
    name = f"train.{rest}"
    return name if part == "test" and (_root(path) / _SPLITS / f"{name}{_BUNDLE}").is_file() else None


def split_beside(path: Path, split: str) -> Path | None:
    """Return the list of a split that lies beside a folder of labels, and so is no part of it.

    None where the folder holds the list itself, or there is none.

    Examples
    --------
    >>> import pathlib
    >>> split_beside(pathlib.Path("nowhere/groundTruth"), "test.split1") is None
    True
    """
    bundle = path.parent / _SPLITS / f"{split}{_BUNDLE}"
    return bundle if path.name == _TRUTH and bundle.is_file() else None


def _video(name: str) -> str:
    return name.removesuffix(".txt")


def _files(path: Path, split: str | None) -> dict[str, Path]:
    """Return the files of labels by video."""
    if path.is_file():
        if split is not None:
            raise SchemaError(Problem("wrong-option", str(path), "expected no split of a single video, got one"))
        return {_video(path.name): path}
    root = _root(path)
    folder = root / _TRUTH if (root / _TRUTH).is_dir() else path
    with storage_errors(folder, "list"):
        found = {_video(one.name): one for one in sorted(folder.iterdir()) if _has_labels(one)}
    if not found:
        raise SchemaError(Problem("no-files", str(folder), "expected a file of labels per video, got none"))
    if split is None:
        return found
    bundle = root / _SPLITS / f"{split}{_BUNDLE}"
    if not bundle.is_file():
        there = sorted(one.name.removesuffix(_BUNDLE) for one in bundle.parent.glob(f"*{_BUNDLE}"))
        message = f"expected a split of {root / _SPLITS}, {listed(there, 12)}, got {split!r}"
        raise SchemaError(Problem("no-split", str(path), message))
    names = read_split(bundle)
    missing = [name for name in names if name not in found]
    if missing:
        message = f"expected labels of every video of {split}, got none of {listed(missing)}"
        raise SchemaError(Problem("missing-videos", str(folder), message, "copy them there, or name another split"))
    return {name: found[name] for name in names}


def _has_labels(path: Path) -> bool:
    return path.is_file() and path.suffix in ("", ".txt") and not path.name.startswith(".")


def _labels(path: Path, problems: Problems) -> list[str] | None:
    """Return the label of each frame; whatever is wrong is noted."""
    with storage_errors(path, "read"):
        data = path.read_bytes()
    text = data.decode("utf-8", errors="replace")
    if data.startswith(_RESULT):
        return _expected_some(text.partition("\n")[2].split(), path, problems)
    lines = [line.strip() for line in text.removesuffix("\n").split("\n")] if text.strip() else []
    wrong = next((n for n, line in enumerate(lines, 1) if not 0 < len(line) <= LONGEST_LABEL or "\ufffd" in line), None)
    if wrong is not None:
        message = f"expected a label per line, got {lines[wrong - 1][:40]!r}"
        problems.add("wrong-label", f"{path}: line {wrong}", message, "every frame has a label: none may be left out")
        return None
    if lines and RANGE.fullmatch(lines[0]):
        message = f"expected a label per line, got a range of frames: {lines[0][:40]!r}"
        fix = f"copy such files to a folder that is not called {_TRUTH}: they are read as ranges there"
        problems.add("wrong-label", f"{path}: line 1", message, fix)
        return None
    return _expected_some(lines, path, problems)


def _expected_some(labels: list[str], path: Path, problems: Problems) -> list[str] | None:
    if not labels:
        problems.add("no-labels", str(path), "expected the label of each frame, got none", "copy the file again")
        return None
    return labels


def _segments(path: Path, labels: dict[str, list[str]], rate: FrameRate, synthetic: str | None) -> Segments:
    names = sorted({label for words in labels.values() for label in words})
    number = {name: at for at, name in enumerate(names)}
    runs = [runs_of(np.array([number[word] for word in words], np.int64)) for words in labels.values()]
    frames = [(int(start), int(end)) for one in runs for start, end in zip(one.start, one.end, strict=True)]
    # A person, or another program: of results too the program that made them is not ours.
    why: EndReason = "annotation"
    header = SegmentsHeader(
        provenance=marked_synthetic(
            provenance(parameters={"rate": str(rate)}, parents=[parent("labels", path)]), synthetic
        ),
        videos=tuple(
            SegmentedVideo(name=name, end_s=frame_to_s(len(words), rate)) for name, words in labels.items()
        ),
    )  # fmt: skip
    return Segments(
        header,
        np.repeat(np.arange(len(runs)), [len(one.label) for one in runs]),
        np.array([frame_to_s(start, rate) for start, _ in frames], np.float64),
        np.array([frame_to_s(end, rate) for _, end in frames], np.float64),
        (why,) * len(frames),
        tuple(names[label] for one in runs for label in one.label.tolist()),
    )


def class_numbers(path: Path) -> dict[str, int] | None:
    r"""Return the number of each class by the list beside the labels (`mapping.txt`), None where there is none.

    Raises
    ------
    StorageError
        It cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "mapping.txt").write_text("0 take\n1 pour\n")
    >>> class_numbers(folder)
    {'take': 0, 'pour': 1}
    """
    beside = (path, path.parent) if path.is_dir() else (path.parent, path.parent.parent)
    places = (place / name for place in beside for name in (_MAPPING, f"mapping/{_MAPPING}"))
    mapping = next((one for one in places if one.is_file()), None)
    if mapping is None:
        return None
    with storage_errors(mapping, "read"):
        lines = mapping.read_text(encoding="utf-8", errors="replace").splitlines()
    rows = (line.split(maxsplit=1) for line in lines)
    return {row[1].strip(): int(row[0]) if row[0].isdecimal() else -1 for row in rows if len(row) > 1}


def _rate(path: Path, told: FrameRate | float | str | None, classes: set[str] | None) -> tuple[FrameRate, str]:
    """Return the frames per second, and how they are known."""
    if told is not None:
        return FrameRate.parse(told), "told"
    known = None if classes is None else known_rate(classes)
    if known is None:
        message = "expected frames per second, got none: labels of frames carry no times"
        fix = "give --rate: GTEA and Breakfast have 15, 50Salads 30"
        raise SchemaError(Problem("no-times", str(path), message, fix))
    return known.rate, f"{known.rate} per second, as {known.name}'s labels have; known by {_MAPPING}"


def _notes(path: Path, labels: dict[str, list[str]], classes: set[str] | None) -> list[Problem]:
    unknown = sorted({label for words in labels.values() for label in words} - (classes or set()))
    if classes is None or not unknown:
        return []
    message = f"expected the classes of {_MAPPING}, got {listed(unknown)} too"
    return [Problem("unknown-labels", str(path), message, "look for a misspelling", "warning")]


PLUGIN = Adapter(
    "mstcn",
    "Labels per frame as MS-TCN lays them out: GTEA, 50Salads, Breakfast",
    recognises,
    read,
    takes=frozenset({"rate", "split"}),
    writer=Writer("segments", write_frame_labels, frozenset({"rate", "gap_label"})),
)

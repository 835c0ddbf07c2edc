"""Truth and trackers as boxes: files and folders of any kind, and where TrackEval's own options say they lie."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.adapters import AnyBoxes, expect_boxes, merged_boxes
from lapsdata.adapters._boxes_edit import taken_rows
from lapsdata.containers import Boxes
from lapsdata.errors import Problem, Problems, SchemaError, listed
from lapsdata.provenance import parent
from lapsdata.schema import FrameRange

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from lapsdata.adapters.motchallenge import TrackEvalSequence
    from lapsdata.geometry import BoxOrigin
    from lapsdata.schema import Parent

__all__ = ["TrackEvalFolders", "TrackerBoxes", "read_trackers"]

_TRUTH, _DETECTOR = "truth", "detector"
_TEXTS = "motchallenge"


@dataclass(frozen=True, slots=True)
class TrackEvalFolders:
    """TrackEval's options of where files lie.

    Parameters
    ----------
    benchmark, split : str
        BENCHMARK and SPLIT_TO_EVAL: both folders have a folder `<benchmark>-<split>`.
    skip_split_folder : bool
        SKIP_SPLIT_FOL: they have none.
    seqmap : Path, optional
        SEQMAP_FILE.

    Examples
    --------
    >>> TrackEvalFolders(split="test").benchmark
    'MOT17'
    """

    benchmark: str = "MOT17"
    split: str = "train"
    skip_split_folder: bool = False
    seqmap: Path | None = None


@dataclass
class TrackerBoxes:
    """What was read, and what was counted on the way.

    Parameters
    ----------
    truth : Boxes
    trackers : dict of Boxes
        By name, as they were given.
    parents : list of Parent
    notes : list of Problem
        At severity "warning" or "info".
    policies : dict of int
        How many things each named policy has touched.

    Examples
    --------
    See `read_trackers`.
    """

    truth: Boxes
    trackers: dict[str, Boxes]
    parents: list[Parent]
    notes: list[Problem] = field(default_factory=list)
    policies: dict[str, int] = field(default_factory=dict)


def read_trackers(
    truth: Path,
    predictions: Sequence[Path],
    *,
    folders: TrackEvalFolders | None = None,
    only_common: bool = False,
    pixels: BoxOrigin | None = None,
    first_numbers: Sequence[int] = (),
) -> TrackerBoxes:
    """Read a truth and trackers, of the same sequences.

    Where both sides have one sequence, and call it in two ways, it is taken for the same one, and told.

    Parameters
    ----------
    truth : Path
    predictions : sequence of Path
        Each a tracker, or a folder of several.
    folders : TrackEvalFolders, optional
        `truth` is TrackEval's GT_FOLDER, and the only prediction its TRACKERS_FOLDER.
    only_common : bool
        Leave out sequences that are not in all of them, and count them.
    pixels : {"one_based", "edge", "centre"}, optional
        What texts of MOTChallenge count pixels from; 1 by default.
    first_numbers : sequence of int
        What texts of MOTChallenge call the first frame: one number for all, or one for the truth and for each
        prediction in their order; by default the texts tell it.

    Raises
    ------
    SchemaError
        Sequences that one of them lacks, several sources and none of them the truth, files that are missing; what is
        told of texts of MOTChallenge where there are none.
    UnknownFormatError, StorageError
        Something is no boxes, or cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.formats import write
    >>> from lapsdata.testing.samples import sample_tracked
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> paths = [folder / "truth.parquet", folder / "ours.parquet"]
    >>> reports = [write(*both) for both in zip(paths, sample_tracked())]
    >>> read = read_trackers(paths[0], paths[1:])
    >>> list(read.trackers), [one.role for one in read.parents]
    (['ours'], ['truth', 'prediction'])
    """
    words = _words(pixels, first_numbers, 1 + len(predictions))
    if folders is None:
        found = _read_any(truth, predictions, words)
    elif len(predictions) == 1:
        found = _read_folders(truth, predictions[0], folders, words)
    else:
        message = f"expected TRACKERS_FOLDER alone beside GT_FOLDER, got {len(predictions)} predictions"
        raise SchemaError(Problem("wrong-length", "predictions", message, "name the folder that all of them lie in"))
    for name, boxes in found.trackers.items():
        found.trackers[name] = _same_name(found, name, boxes)
    _same_sequences(found, only_common=only_common)
    return found


def _words(pixels: BoxOrigin | None, first_numbers: Sequence[int], sides: int) -> list[dict[str, Any]]:
    """Return what the texts of each side are told: of the truth, then of each prediction."""
    if len(first_numbers) not in (0, 1, sides):
        message = f"expected one number, or one for GT and each PRED, {sides}, got {len(first_numbers)}"
        raise SchemaError(Problem("wrong-length", "first_number", message, "give it once, or once for each of them"))
    counts: dict[str, Any] = {} if pixels is None else {"pixels": pixels}
    if not first_numbers:
        return [counts] * sides
    each = [*first_numbers] * (sides if len(first_numbers) == 1 else 1)
    return [{**counts, "first_number": number} for number in each]


def _read_any(truth: Path, predictions: Sequence[Path], words: list[dict[str, Any]]) -> TrackerBoxes:
    boxes, notes, true_kind = expect_boxes(truth, **_told(truth, _TRUTH, words[0]))
    found = TrackerBoxes(_only_truth(boxes, truth), {}, _parents(_TRUTH, truth, boxes), list(notes))
    kinds, sides = [true_kind], [(truth, boxes)]
    for path, name, said in zip(predictions, _names(predictions), words[1:], strict=True):
        boxes, notes, kind = _tracks(path, _told(path, name, said))
        kinds.append(kind)
        sides.append((path, boxes))
        found.notes += notes
        if "pixels" not in said and kind == _TEXTS != true_kind:
            message = "pixels are counted from 1, as MOTChallenge has it, beside a truth of another kind"
            fix = "if its writer counted from 0, say so: --pixels edge; else boxes are a pixel off"
            found.notes.append(Problem("pixels-counted-from-1", str(path), message, fix, "info"))
        found.parents += _parents("prediction", path, boxes)
        for tracker, one in _by_source(found, path, name, boxes).items():
            if tracker in found.trackers:
                message = f"expected each tracker once, got {tracker!r} again"
                raise SchemaError(Problem("tracker-twice", str(path), message, "rename one of them"))
            found.trackers[tracker] = one
    _expect_texts(words, kinds)
    found.notes += _empty_beginnings(sides, words, kinds)
    return found


def _expect_texts(words: list[dict[str, Any]], kinds: Sequence[str]) -> None:
    """Refuse words about texts of MOTChallenge where none of the sides is one."""
    if any(words) and _TEXTS not in kinds:
        message = f"expected texts of MOTChallenge to tell it of, got {listed(sorted(set(kinds)))}"
        raise SchemaError(Problem("wrong-option", ", ".join(words[0]), message, "leave it out"))


def _empty_beginnings(
    sides: Sequence[tuple[Path, Boxes]], words: Sequence[dict[str, Any]], kinds: Sequence[str]
) -> Iterator[Problem]:
    """Yield texts without a box in the frame that was told to be their first one, where another side has some."""
    least = [int(boxes.frame.min()) if len(boxes) else 0 for _, boxes in sides]
    for (path, _), said, kind, first in zip(sides, words, kinds, least, strict=True):
        if kind == _TEXTS and "first_number" in said and first and 0 in least:
            number = said["first_number"]
            message = f"no box is in frame {number}, the first as told; the first box is in frame {number + first}"
            fix = "where one side counts otherwise, give --first-number for GT and each PRED, in their order"
            yield Problem("nothing-in-first-frame", str(path), message, fix, "warning")


def _tracks(path: Path, told: dict[str, Any]) -> AnyBoxes:
    """Return the boxes of a tracker; a text without a byte is one that found nothing."""
    if path.is_file() and path.suffix.lower() == ".txt" and not path.stat().st_size:
        from lapsdata.adapters.motchallenge import read

        adapted = read(path, **told)
        if isinstance(adapted.container, Boxes):
            return AnyBoxes(adapted.container, adapted.told(path), _TEXTS)
    return expect_boxes(path, **told)


def _told(path: Path, name: str, said: dict[str, Any]) -> dict[str, Any]:
    """Return what rows are told: whose they are, which a folder says itself, and what they count from."""
    return {"whose": name, **said} if path.is_file() else said


def _names(paths: Sequence[Path]) -> list[str]:
    """Return what trackers are called: files without their ending; as short as tells them apart."""
    parts = [(*path.absolute().parts[1:-1], path.stem if path.is_file() else path.absolute().name) for path in paths]
    twice = sorted(str(path) for path, count in Counter(paths).items() if count > 1)
    if twice:
        message = f"expected each prediction once, got {listed(twice)} again"
        raise SchemaError(Problem("tracker-twice", "predictions", message, "leave one out"))
    # TrackEval has results in `<tracker>/data`.
    parts = [one[:-1] if one[-1] == "data" and len(one) > 1 else one for one in parts]
    names = [one[-1] for one in parts]
    for deep in range(2, max(map(len, parts), default=0) + 1):
        often = Counter(names)
        names = [name if often[name] == 1 else " ".join(one[-deep:]) for name, one in zip(names, parts, strict=True)]
    return names


def _parents(role: str, path: Path, boxes: Boxes) -> list[Parent]:
    """Return what a side was read from; of a folder the files that were read, and not the images beside them."""
    if path.is_file():
        return [parent(role, path)]
    return [one.model_copy(update={"role": role}) for one in boxes.header.provenance.parents]


def _sources(boxes: Boxes) -> list[str]:
    return list(dict.fromkeys(boxes.source))


def _only_truth(boxes: Boxes, path: Path) -> Boxes:
    """Return the true boxes of a truth that others have said something to, as detections beside it."""
    sources = _sources(boxes)
    if len(sources) < 2:
        return boxes
    if _TRUTH not in sources:
        message = f"expected boxes of one source, or of one called 'truth', got {listed(sources)}"
        raise SchemaError(Problem("several-sources", str(path), message, "name the file of the truth"))
    return _of_source(boxes, _TRUTH)


def _by_source(found: TrackerBoxes, path: Path, name: str, boxes: Boxes) -> dict[str, Boxes]:
    """Return the trackers of a file: each source one, but for truth and detections beside them, which are told."""
    sources = _sources(boxes)
    if len(sources) < 2:
        return {name: boxes}
    kept = [source for source in sources if source not in (_TRUTH, _DETECTOR)]
    left = [source for source in sources if source not in kept]
    if not kept:
        message = f"expected tracks, got boxes of {listed(sources)}"
        raise SchemaError(Problem("no-trackers", str(path), message, "name the files of a tracker"))
    if left:
        message = f"boxes of {listed(left)} lie beside the tracks: not scored"
        found.notes.append(Problem("sources-left", str(path), message, None, "info"))
    return {source: _of_source(boxes, source) for source in kept}


def _of_source(boxes: Boxes, source: str) -> Boxes:
    rows = np.fromiter((one == source for one in boxes.source), bool, len(boxes))
    return taken_rows(boxes, np.flatnonzero(rows))


def _read_folders(truth: Path, trackers: Path, folders: TrackEvalFolders, words: list[dict[str, Any]]) -> TrackerBoxes:
    from lapsdata.adapters.motchallenge import trackeval_sequences

    sequences = trackeval_sequences(
        truth,
        trackers,
        benchmark=folders.benchmark,
        split=folders.split,
        skip_split_folder=folders.skip_split_folder,
        seqmap=folders.seqmap,
    )
    parents: list[Parent] = []
    notes: list[Problem] = []

    def joined(whose: str, role: str) -> Boxes:
        parts = []
        for one in sequences:
            path = one.truth if role == _TRUTH else one.results[whose]
            boxes, told, _ = expect_boxes(path, whose=whose, **words[role != _TRUTH])
            parents.append(parent(role, path))
            notes.extend(told)
            parts.append(_as_sequence(boxes, one))
        whole, told = merged_boxes(parts)
        notes.extend(told)
        return whole

    names = list(sequences[0].results)
    made = TrackerBoxes(joined(_TRUTH, _TRUTH), {name: joined(name, "prediction") for name in names}, parents, notes)
    if folders.seqmap is not None:
        parents.append(parent("seqmap", folders.seqmap))
    return made


def _as_sequence(boxes: Boxes, one: TrackEvalSequence) -> Boxes:
    """Return the boxes of one file under the name and with the length that the benchmark says."""
    (told,) = boxes.header.sequences
    length = one.length or told.length
    beyond = boxes.frame >= length
    if beyond.any():
        number = int(boxes.frame[np.flatnonzero(beyond)[0]]) + told.first_number
        message = f"expected {length} frames, as the sequence has, got frame {number}"
        raise SchemaError(Problem("frame-outside", one.name, message, "look whose results these are"))
    whole = (FrameRange(start=0, stop=length),)
    # Images and rates are of no matter here, and sides may say them differently.
    update = {"name": one.name, "length": length, "annotated": whole, "images": None, "rate": None}
    return _with_sequences(boxes, told.model_copy(update={**update, "size": None}))


def _with_sequences(boxes: Boxes, *sequences: Any) -> Boxes:  # noqa: ANN401 - BoxSequence
    return replace(boxes, header=boxes.header.model_copy(update={"sequences": sequences}))


def _same_name(found: TrackerBoxes, name: str, boxes: Boxes) -> Boxes:
    """Return boxes of one sequence by the name that the truth has for its only one."""
    true, here = found.truth.header.sequences, boxes.header.sequences
    if len(true) > 1 or len(here) > 1 or true[0].name == here[0].name:
        return boxes
    message = f"its only sequence {here[0].name!r} is scored as {true[0].name!r}, the only one of the truth"
    found.notes.append(Problem("sequence-renamed", name, message, None, "info"))
    key = "sequences_called_as_in_the_truth"
    found.policies[key] = found.policies.get(key, 0) + 1
    return _with_sequences(boxes, here[0].model_copy(update={"name": true[0].name}))


def _same_sequences(found: TrackerBoxes, *, only_common: bool) -> None:
    """Refuse sequences that one side lacks, or leave them out on all sides."""
    sides = {_TRUTH: found.truth, **found.trackers}
    names = {side: [one.name for one in boxes.header.sequences] for side, boxes in sides.items()}
    common = [name for name in names[_TRUTH] if all(name in one for one in names.values())]
    problems = Problems()
    for side, here in names.items():
        others = list(dict.fromkeys(name for one in names.values() for name in one))
        lacking = [name for name in others if name not in here]
        if lacking and not (only_common and common):
            message = f"expected the sequences of all sides, got none of {listed(lacking)}"
            fix = f"give --only-common to score {len(common)} of them" if common else "look whose results these are"
            problems.add("unequal-sequences", side, message, fix)
    problems.raise_as(SchemaError)
    for side, boxes in sides.items():
        left = len(names[side]) - len(common)
        if left:
            key = "sequences_of_the_truth_left_out" if side == _TRUTH else "sequences_of_trackers_left_out"
            found.policies[key] = found.policies.get(key, 0) + left
            kept = _only(boxes, common)
            if side == _TRUTH:
                found.truth = kept
            else:
                found.trackers[side] = kept


def _only(boxes: Boxes, names: list[str]) -> Boxes:
    """Return the sequences of these names."""
    keep = np.array([one.name in names for one in boxes.header.sequences])
    sequences = tuple(one for one in boxes.header.sequences if one.name in names)
    rows = np.flatnonzero(keep[boxes.sequence_index])
    taken = taken_rows(boxes, rows)
    number = np.cumsum(keep) - 1
    header = boxes.header.model_copy(update={"sequences": sequences})
    return replace(taken, header=header, sequence_index=number[taken.sequence_index].astype(np.int64))

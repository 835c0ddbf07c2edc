"""Data sets of labels per frame as a run takes them: rate of the labels, where each video lies, what stages are told.

Labels, splits and mapping lie as `lapsdata.adapters.mstcn` reads them; videos lie beside them, in `Videos` or where the
data set's own archive puts them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from lapsdata.adapters.mstcn import read_split
from lapsdata.errors import AmbiguousFormatError, Problem, Problems, SchemaError, StorageError, listed
from lapsdata.schema.recipe import Recipe, StageChoice
from lapsdata.storage.atomic import existing, storage_errors
from lapsdata.timebase import FrameRate
from lapsdata.video.sources import VIDEO_SUFFIXES, VideoItem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

__all__ = ["DATA_SETS", "DataSet", "Split", "find_split", "find_split_videos"]

# The archives have a folder of their own beside the labels, or are unpacked right there.
_FOLDERS = ("Videos", "videos", ".")


class DataSet(NamedTuple):
    """What is known of a data set.

    Parameters
    ----------
    name, title : str
    rate : FrameRate
        Labels per second, which is that of the videos.
    places : callable
        Returns, for the name of a video, its paths below the folder of the videos, without ending: the first that is
        there is it.
    recipe : Recipe
        What the stages are told where nobody says otherwise.

    Examples
    --------
    >>> DATA_SETS["breakfast"].places("P03_cam01_P03_cereals")
    ('P03_cam01_P03_cereals', 'P03/cam01/P03_cereals')
    """

    name: str
    title: str
    rate: FrameRate
    places: Callable[[str], tuple[str, ...]]
    recipe: Recipe


class Split(NamedTuple):
    """The videos of a split, in its order.

    Examples
    --------
    >>> Split(("S2_Tea_C1",), ("S1_Tea_C1",)).test
    ('S1_Tea_C1',)
    """

    train: tuple[str, ...]
    test: tuple[str, ...]


def _by_name(name: str) -> tuple[str, ...]:
    return (name,)


def _by_camera(name: str) -> tuple[str, ...]:
    """Breakfast: a folder for each person, in it one for each camera; a stereo camera has two videos in one folder."""
    found = re.fullmatch(r"(P\d+)_([a-z]+)(\d*)_(.+)", name)
    if found is None:
        return (name,)
    person, camera, number, rest = found.groups()
    below = [f"{person}/{camera}{number}/{rest}"]
    if camera == "stereo" and number:
        below.append(f"{person}/stereo/{rest}_ch{int(number) - 1}")
    return (name, *below)


# Of the published experiment on GTEA: frames per second, epochs, the share of the train videos that the tokenizer is
# judged by, and a threshold that is searched for by the train truth; points, horizon and stride are the defaults. Its
# energies, token_diff_step, are measured too, but not segmented: on the stand-in they do not stand above chance, and
# those of the tracks do. Nor is its state machine taken over, whose segments of at most 2 s are those of a metronome.
_AS_PUBLISHED = Recipe(
    stages={
        "track": StageChoice(params={"rate": "10"}),
        "train": StageChoice(params={"epochs": 10, "val": 0.2}),
        "threshold": StageChoice(kind="search"),
    }
)

DATA_SETS: dict[str, DataSet] = {
    one.name: one
    for one in (
        DataSet("gtea", "GTEA, 28 videos, splits 1 to 4", FrameRate(15), _by_name, _AS_PUBLISHED),
        DataSet("50salads", "50Salads, 50 videos, splits 1 to 5", FrameRate(30), _by_name, _AS_PUBLISHED),
        DataSet("breakfast", "Breakfast, 1,712 videos, splits 1 to 4", FrameRate(15), _by_camera, _AS_PUBLISHED),
    )
}
"""By name: what `lapsdata run --recipe NAME` takes."""


def find_split(root: Path, number: int) -> Split:
    """Return the videos of a split.

    Parameters
    ----------
    root : Path
        The folder with `splits`.
    number : int

    Raises
    ------
    StorageError
        No folder, or no such split; those that there are are named.
    SchemaError
        A video in both parts, or a file of a split that is none.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.testing.made_up_labels import write_made_up_labels
    >>> root = pathlib.Path(tempfile.mkdtemp())
    >>> write_made_up_labels(root)
    >>> find_split(root, 1).test
    ('S1_Cheese_C1', 'S1_Tea_C1')
    """
    folder = existing(root) / "splits"
    files = [folder / f"{part}.split{number}.bundle" for part in Split._fields]
    lost = [path.name for path in files if not path.is_file()]
    if lost:
        with storage_errors(folder, "list"):
            there = sorted(path.name for path in folder.glob("*.bundle")) if folder.is_dir() else []
        message = f"expected {' and '.join(lost)} in splits, got {', '.join(there) or 'no such files'}"
        raise StorageError(Problem("no-split", str(root), message, "name the folder with splits/, or another split"))
    split = Split(*(read_split(path) for path in files))
    both = sorted({*split.train} & {*split.test})
    if both:
        message = f"expected each video in one part of split {number}, got {listed(both)} in train and test"
        raise SchemaError(Problem("doubled-video", str(folder), message, "mend the files of the split"))
    return split


def find_split_videos(data_set: DataSet, root: Path, names: Iterable[str]) -> list[VideoItem]:
    """Return where videos of a data set lie.

    Parameters
    ----------
    data_set : DataSet
    root : Path
    names : iterable of str
        As labels and splits call them.

    Raises
    ------
    StorageError
        Videos that are not there: every one, with its places.
    AmbiguousFormatError
        Two files of one name, with other endings.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> root = pathlib.Path(tempfile.mkdtemp())
    >>> (root / "P03" / "cam01").mkdir(parents=True)
    >>> (root / "P03" / "cam01" / "P03_tea.avi").touch()
    >>> [item.path.name for item in find_split_videos(DATA_SETS["breakfast"], root, ["P03_cam01_P03_tea"])]
    ['P03_tea.avi']
    """
    listed_once: dict[Path, dict[str, list[Path]]] = {}
    missing, doubled, found = Problems(), Problems(), list[VideoItem]()
    for name in names:
        places = [root / folder / place for folder in _FOLDERS for place in data_set.places(name)]
        there = next((paths for place in places if (paths := _files_at(place, listed_once))), [])
        if len(there) > 1:
            message = f"expected one video, got {', '.join(path.name for path in there)}"
            doubled.add("doubled-video", name, message, "move the others away")
        elif there:
            found.append(VideoItem(name, there[0]))
        else:
            wanted = f"{' or '.join(data_set.places(name))} in {root / _FOLDERS[0]} or {root}"
            missing.add("missing-video", name, f"expected its video, {wanted} (.mp4, .avi ...), got none")
    missing.raise_as(StorageError)
    doubled.raise_as(AmbiguousFormatError)
    return found


def _files_at(place: Path, known: dict[Path, dict[str, list[Path]]]) -> list[Path]:
    """Return the videos of this path without its ending; each folder is listed once."""
    folder = place.parent
    if folder not in known:
        known[folder] = {}
        with storage_errors(folder, "list"):
            inside = sorted(folder.iterdir()) if folder.is_dir() else []
        for path in inside:
            if path.suffix.lower() in VIDEO_SUFFIXES:
                known[folder].setdefault(path.stem, []).append(path)
    return known[folder].get(place.name, [])

"""Files with boxes, ours and those of others, as layers of a picture."""

from __future__ import annotations

from collections import Counter
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

from lapsdata.adapters import expect_boxes
from lapsdata.errors import Problem, SchemaError
from lapsdata.report.layered_boxes import box_layers, refuse_min_score

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lapsdata.report.layered_boxes import BoxKind, BoxLayer

__all__ = ["BoxFiles", "read_box_layers"]


class BoxFiles(NamedTuple):
    """What was read.

    Parameters
    ----------
    layers : list of BoxLayer
        File by file.
    notes : tuple of Problem
        What is to be told of the files, at severity "warning" or "info".
    """

    layers: list[BoxLayer]
    notes: tuple[Problem, ...]


def read_box_layers(
    paths: Sequence[Path],
    *,
    kinds: Sequence[BoxKind] = (),
    sequence: str | None = None,
    min_score: float | None = None,
) -> BoxFiles:
    """Read files with boxes: of ours, or of any project that an adapter knows.

    Parameters
    ----------
    paths : sequence of Path
    kinds : sequence of {"truth", "detections", "tracks"}
        What the files are, in their order; by default each file says it. As many as there are files, or none.
    sequence : str, optional
        Which one, where files hold several.
    min_score : float, optional
        Detections with a lower score are left out.

    Raises
    ------
    UnknownFormatError
        No format and no adapter knows a file, or it holds no boxes.
    SchemaError
        No such sequence; other numbers of kinds than of files; a least score, and no detections with scores.
    StorageError, CorruptDataError
        A file cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.formats import write
    >>> from lapsdata.testing.samples import sample_boxes
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "match.parquet"
    >>> report = write(path, sample_boxes())
    >>> [layer.kind for layer in read_box_layers([path], sequence="left").layers]
    ['truth', 'detections']
    """
    if kinds and len(kinds) != len(paths):
        message = f"expected a kind for each of {len(paths)} files, got {len(kinds)}"
        raise SchemaError(Problem("wrong-length", "kinds", message, "give --as once for each file, in their order"))
    layers: list[BoxLayer] = []
    notes: list[Problem] = []
    for path, name, kind in zip_longest(paths, _names(paths), kinds):
        boxes, told, _ = expect_boxes(path)
        notes += told
        layers += box_layers(boxes, name, kind=kind, sequence=sequence, min_score=min_score)
    refuse_min_score(layers, min_score)
    return BoxFiles(layers, tuple(notes))


def _names(paths: Sequence[Path]) -> list[str]:
    """Return what the files are called: as short as tells them apart."""
    names = [path.absolute().stem for path in paths]
    for parts in range(2, max((len(path.absolute().parts) for path in paths), default=0) + 1):
        often = Counter(names)
        names = [
            name if often[name] == 1 else "/".join((*path.absolute().parts[-parts:-1], path.stem))
            for path, name in zip(paths, names, strict=True)
        ]
    doubled = [str(path) for path, name in zip(paths, names, strict=True) if names.count(name) > 1]
    if doubled:
        raise SchemaError(Problem("doubled-file", doubled[0], "expected each file once, got it again", "leave one out"))
    return names

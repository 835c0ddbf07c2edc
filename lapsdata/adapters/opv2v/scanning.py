"""All frames of a root with their poses: every yaml is read, and parsed where no cache knows its text."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lapsdata import console
from lapsdata.adapters.opv2v.frame_facts import FrameFacts, read_facts
from lapsdata.adapters.opv2v.layout import AgentFolder, agent_folders, named_split
from lapsdata.adapters.opv2v.metadata_cache import cache_file, read_cache, write_cache
from lapsdata.errors import LapsError, Problem
from lapsdata.schema import Parent
from lapsdata.storage.atomic import storage_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Opv2vScan", "scan_opv2v"]

_BLOCK = 1 << 20


@dataclass(frozen=True, eq=False)
class Opv2vScan:
    """What was found in a root, in the order of `agent_folders`.

    Parameters
    ----------
    root : Path
    folders : tuple of AgentFolder
    facts : dict
        By number of the folder and name of the frame; those that cannot be read are missing.
    refused : tuple of Problem
        Why they cannot, and of what file and line.
    notes : tuple of Problem
        On the cache, and on what is passed over.
    parent : Parent
        The root, by the digest of all yaml files and their places.
    parsed : int
        Frames that no cache knew.
    """

    root: Path
    folders: tuple[AgentFolder, ...]
    facts: Mapping[tuple[int, str], FrameFacts]
    refused: tuple[Problem, ...]
    notes: tuple[Problem, ...]
    parent: Parent
    parsed: int

    def facts_of(self, number: int) -> dict[str, FrameFacts]:
        """Return what the yaml files of one folder say, by the name of the frame."""
        stems = self.folders[number].stems
        return {stem: self.facts[number, stem] for stem in stems if (number, stem) in self.facts}

    def scenarios(self) -> Iterator[tuple[str, list[int]]]:
        """Yield the split and the numbers of the folders of each scenario."""
        found: dict[tuple[str, str], list[int]] = {}
        for number, folder in enumerate(self.folders):
            found.setdefault((folder.split, folder.scenario), []).append(number)
        yield from ((split, numbers) for (split, _), numbers in found.items())


@dataclass
class _Found:
    facts: dict[tuple[int, str], FrameFacts] = field(default_factory=dict)
    kept: dict[bytes, FrameFacts] = field(default_factory=dict)
    refused: list[Problem] = field(default_factory=list)
    parsed: int = 0


def scan_opv2v(root: Path, *, split: str | None = None, cache: Path | None = None) -> Opv2vScan:
    """Read the yaml of every frame of a root.

    Parameters
    ----------
    root : Path
        Holds `train`, `validate` (or `val`), `test` or `test_culvercity`.
    split : str, optional
        That one alone.
    cache : Path, optional
        Folder where parsed frames are kept by the digest of their text; none by default.

    Raises
    ------
    StorageError
        Nothing is there, or it may not be read.
    SchemaError
        There is no such split, or none at all. A file that is broken is in `refused`.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from lapsdata.testing.opv2v_scenes import Opv2vScene, write_opv2v_yaml
    >>> root = pathlib.Path(tempfile.mkdtemp())
    >>> write_opv2v_yaml(root, [Opv2vScene("train", "2021_08_22_21_41_24", ("641", "-1"), (69, 71))])
    >>> scan = scan_opv2v(root)
    >>> [folder.agent for folder in scan.folders], len(scan.facts)
    (['641', '-1'], 4)
    """
    folders = tuple(agent_folders(root, split))
    whole = "" if split is None else f"-{named_split(root, split)}"
    name = hashlib.sha256(f"{root.resolve()}{whole}".encode("utf-8", "surrogateescape")).hexdigest()[:16]
    place = None if cache is None else cache_file(cache, name)
    known, notes = ({}, []) if place is None else read_cache(place)
    found, total = _Found(), hashlib.sha256()
    with console.progress("read poses", sum(len(folder.stems) for folder in folders), unit="frames") as advance:
        for number, folder in enumerate(folders):
            total.update(f"{folder.split}/{folder.scenario}/{folder.agent}\n".encode("utf-8", "surrogateescape"))
            _scan_folder(number, folder, known, found, total)
            advance(len(folder.stems))
    # A file that cannot be read now may be one that the cache knows: nothing is dropped then.
    kept = {**known, **found.kept} if found.refused else found.kept
    if place is not None and kept.keys() != known.keys():
        notes += write_cache(place, kept)
    additional = sum(folder.additional for folder in folders)
    if additional:
        message = f'{additional} files with "additional" in their name are passed over, as OpenCOOD does'
        notes.append(Problem("additional-files", str(root), message, None, "info"))
    parent = Parent(role="yaml-of-opv2v", name=root.resolve().name, digest=f"sha256:{total.hexdigest()}")
    return Opv2vScan(root, folders, found.facts, tuple(found.refused), tuple(notes), parent, found.parsed)


def _scan_folder(
    number: int, folder: AgentFolder, known: Mapping[bytes, FrameFacts], found: _Found, total: hashlib._Hash
) -> None:
    for stem in folder.stems:
        path = f"{folder.path}/{stem}.yaml"
        try:
            data = _content(path)
        except LapsError as error:
            found.refused += error.problems
            continue
        digest = hashlib.sha256(data).digest()
        total.update(stem.encode() + digest)
        facts = known.get(digest)
        if facts is None:
            try:
                facts = read_facts(data, path)
            except LapsError as error:
                found.refused += error.problems
                continue
            found.parsed += 1
        found.kept[digest] = found.facts[number, stem] = facts


def _content(path: str) -> bytes:
    """Return the bytes of a file; file objects and guards for each of ten thousand would take as long as reading."""
    try:
        opened = os.open(path, os.O_RDONLY)
        try:
            data = os.read(opened, _BLOCK)
            while more := os.read(opened, _BLOCK):
                data += more
            return data
        finally:
            os.close(opened)
    except OSError:
        with storage_errors(Path(path), "read"):
            raise

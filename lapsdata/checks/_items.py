"""From what a user names to what is checked: files, folders that are one item, folders of items, ledgers."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lapsdata.adapters import find_adapter, part_of_other
from lapsdata.errors import LapsError, Problem
from lapsdata.loading.finding import is_item
from lapsdata.plugins import registry
from lapsdata.storage.atomic import existing, storage_errors
from lapsdata.storage.seal_list import SEAL_LIST
from lapsdata.video.sources import VIDEO_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["FoundItems", "find_items"]

_LEDGER = re.compile(r"ledger-rank\d+\.jsonl")
_HEAD = 1 << 16


@dataclass
class FoundItems:
    """What is to be checked.

    Parameters
    ----------
    items : dict of bool
        Files and folders that are one item, in the order in which they were named; whether the user named each one.
    ledgers : dict of list of Path
        Ledgers that are proven together: by "" those that were named or stand in a folder that was, by folder others.
    passed_over : Counter
        Files of folders that are none of these, by their ending.
    problems : list of Problem
    """

    items: dict[Path, bool] = field(default_factory=dict)
    ledgers: dict[str, list[Path]] = field(default_factory=dict)
    passed_over: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)


def find_items(paths: Iterable[Path]) -> FoundItems:
    """Look at what was named, and into folders that are no item themselves; nothing of it is an exception."""
    search = _Search()
    for path in paths:
        try:
            search.named(path)
        except LapsError as error:
            search.found.problems += error.problems
    return search.found


class _Search:
    def __init__(self) -> None:
        self.found = FoundItems()
        self._suffixes = {suffix for plugin in registry("formats").load_all().values() for suffix in plugin.suffixes}
        self._suffixes |= {".tar", ".json", *VIDEO_SUFFIXES}
        self._entered: set[Path] = set()
        self._met = 0

    def named(self, path: Path) -> None:
        # The folder that one stands in has no name of its own.
        if path.name and existing(path).is_file():
            if path.name.endswith(SEAL_LIST):
                subject = path.with_name(path.name.removesuffix(SEAL_LIST))
                self._item(existing(subject), named=True)
            elif _is_ledger(path):
                self._ledger("", path)
            else:
                self._item(path, named=True)
        elif _is_one(path):
            place = path if path.name else path.resolve()
            self._item(place, named=True)
            self._beside(place)
        else:
            before = self._met
            self._walk(path, "")
            if self._met == before:
                message = f"expected files to check, got {sum(self.found.passed_over.values()) or 'no'} others"
                unknown = Problem("no-files", str(path), message, "name files, or their folder")
                self.found.problems.append(part_of_other(path) or unknown)

    def _item(self, path: Path, *, named: bool) -> None:
        self._met += 1
        self.found.items[path] = named or self.found.items.get(path, False)

    def _ledger(self, group: str, path: Path) -> None:
        self._met += 1
        # One that is named after its folder was is not proven twice.
        if not any(path in paths for paths in self.found.ledgers.values()):
            self.found.ledgers.setdefault(group, []).append(path)

    def _walk(self, folder: Path, group: str) -> None:
        with storage_errors(folder, "open"):
            self._entered.add(folder.resolve())
            inside = sorted(folder.iterdir())
        for path in inside:
            try:
                self._one(path, group)
            except LapsError as error:
                self.found.problems += error.problems

    def _one(self, path: Path, group: str) -> None:
        if path.name.startswith("."):
            self.found.passed_over["hidden"] += 1
        elif existing(path).is_dir():
            if _is_one(path):
                self._item(path, named=False)
                self._beside(path)
            elif path.resolve() not in self._entered:  # else a link that leads back
                self._walk(path, str(path))
        elif path.name.endswith(SEAL_LIST):
            self._list(path)
        elif path.suffix == ".jsonl" and _is_ledger(path):
            self._ledger(group, path)
        elif path.suffix.lower() in self._suffixes:
            self._item(path, named=False)
        else:
            self.found.passed_over[path.suffix or "no ending"] += 1

    def _beside(self, folder: Path) -> None:
        """Note boxes in JSON, as databases of detections, that lie in a folder of sequences and are no part of it."""
        if find_adapter(folder, ("boxes",)) is None:
            return
        with storage_errors(folder, "open"):
            files = sorted(folder.glob("*.json"))
        for file in files:
            if find_adapter(file, ("boxes",)) is not None:
                self._item(file, named=False)

    def _list(self, path: Path) -> None:
        """Note a list whose file is gone; any other is checked with its file."""
        subject = path.name.removesuffix(SEAL_LIST)
        if not path.with_name(subject).exists():
            message = f"expected '{subject}' beside its list of checksums, got nothing"
            fix = "put it there, or remove the list"
            self.found.problems.append(Problem("seal-list-alone", str(path), message, fix, "warning"))


def _is_one(folder: Path) -> bool:
    """Say whether a folder is one item, and none of items."""
    return is_item(folder) or find_adapter(folder, ("episodes", "boxes", "views")) is not None


def _is_ledger(path: Path) -> bool:
    """Say whether a file is a ledger: by its first line, or by its name, should that line be damaged."""
    with storage_errors(path, "open"), path.open("rb") as file:
        head = file.read(_HEAD).partition(b"\n")[0]
    try:
        document = json.loads(head)
    except (ValueError, RecursionError):
        document = None
    told = isinstance(document, dict) and document.get("format") == "lapsdata.ledger"
    return told or _LEDGER.fullmatch(path.name) is not None

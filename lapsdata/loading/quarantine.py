"""Samples that cannot be read: named, written down, and replaced by others that every rank and restart would choose."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.errors import CorruptDataError, Problem
from lapsdata.loading._hashing import keys_of
from lapsdata.loading.source import gather_at
from lapsdata.storage.atomic import storage_errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.loading.source import Batch, BatchSource

__all__ = ["Quarantine"]

_MOST_TRIES = 64
"""Replacements that are tried for one sample: data of which so many are damaged are not to be trained on."""


class Quarantine:
    """Reads samples of a source; damaged ones are replaced, listed and counted.

    What stands for a sample is a pure function of seed, epoch and its id, and of which samples are damaged.

    Parameters
    ----------
    source : BatchSource
    seed : int
    audit : Path or None
        A file to which one line of JSON is added for each replacement: epoch, id, replacement, problem.

    Attributes
    ----------
    damaged : dict of str
        What is wrong with each damaged sample met so far, by id.
    replaced : int
        How many samples were replaced so far, each time that one was.

    Examples
    --------
    >>> from lapsdata.testing.numbers import Numbers
    >>> quarantine = Quarantine(Numbers(5), seed=0, audit=None)
    >>> ids, epochs = np.array([3, 1]), np.zeros(2, np.int64)
    >>> quarantine.gather(ids, epochs=epochs, fields=["number"], out=None)[1]["number"].tolist()
    [3, 1]
    """

    def __init__(self, source: BatchSource, *, seed: int, audit: Path | None) -> None:
        self._source, self._seed, self._audit = source, seed, audit
        self.damaged: dict[int, str] = {}
        self.replaced = 0
        self._lock = threading.Lock()
        self._told: set[tuple[int, int]] = set()
        # Whose samples are other ones in another epoch, has damage that is of an epoch.
        self._by_epoch = bool(getattr(source, "by_epoch", False))
        self._broken: set[tuple[int, int]] = set()

    def gather(
        self,
        ids: NDArray[np.int64],
        *,
        epochs: NDArray[np.int64],
        fields: Sequence[str],
        out: Mapping[str, NDArray[Any]] | None,
    ) -> tuple[NDArray[np.int64], Batch]:
        """Return the ids that were really read, and their batch.

        Parameters
        ----------
        ids, epochs : int64 (B,)
        fields : sequence of str
        out : mapping of np.ndarray or None

        Raises
        ------
        CorruptDataError
            No replacement could be read either, after 64 tries; or what is damaged is no single sample.
        StorageError
            The audit log cannot be written.
        """
        while True:
            wanted = self._without_damaged(ids, epochs)
            try:
                batch = gather_at(self._source, wanted, epochs, fields=fields, out=out)
            except CorruptDataError:
                if not self._look_for_damage(wanted, epochs, fields):
                    raise
                continue
            for place in np.flatnonzero(wanted != ids).tolist():
                self._note(int(ids[place]), int(epochs[place]), int(wanted[place]))
            return wanted, batch

    def _look_for_damage(self, ids: NDArray[np.int64], epochs: NDArray[np.int64], fields: Sequence[str]) -> bool:
        """List which of the samples are damaged; say whether any is, whoever has found it."""
        samples = [*zip(ids.tolist(), epochs.tolist(), strict=True)]
        for number, epoch in sorted(set(samples)):
            if self._is_damaged(number, epoch):
                continue
            try:
                gather_at(self._source, np.array([number]), np.array([epoch]), fields=fields)
            except CorruptDataError as error:
                self.damaged[number] = str(error)
                self._broken.add((number, epoch))
        # Not what this call has added: another thread may have met the same sample, and have been quicker.
        return any(self._is_damaged(*sample) for sample in samples)

    def _is_damaged(self, number: int, epoch: int) -> bool:
        return (number, epoch) in self._broken if self._by_epoch else number in self.damaged

    def _without_damaged(self, ids: NDArray[np.int64], epochs: NDArray[np.int64]) -> NDArray[np.int64]:
        if not self.damaged:
            return ids
        wanted = ids.copy()
        for place, (number, epoch) in enumerate(zip(ids.tolist(), epochs.tolist(), strict=True)):
            if self._is_damaged(number, epoch):
                wanted[place] = self._replacement(number, epoch)
        return wanted

    def _replacement(self, number: int, epoch: int) -> int:
        length = len(self._source)
        for attempt in range(_MOST_TRIES):
            key = keys_of(("quarantine", self._seed, epoch, number, attempt), 1)
            candidate = int(key[0]) % length
            if not self._is_damaged(candidate, epoch):
                return candidate
        message = f"expected a sample that can be read in place of {number}, got {_MOST_TRIES} damaged ones"
        fix = "lapsdata check the data; repair it, or take it from a copy"
        raise CorruptDataError(Problem("quarantine-full", "quarantine", message, fix))

    def _note(self, number: int, epoch: int, candidate: int) -> None:
        with self._lock:
            self.replaced += 1
            if (epoch, number) in self._told or self._audit is None:
                return
            self._told.add((epoch, number))
            line = {"epoch": epoch, "id": number, "replacement": candidate, "problem": self.damaged[number]}
            with storage_errors(self._audit, "write"), self._audit.open("a", encoding="utf-8") as log:
                log.write(json.dumps(line, sort_keys=True) + "\n")

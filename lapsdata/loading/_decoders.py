"""Decoders that stay open between batches: few, each used by one thread at a time, and given back on `close`."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from lapsdata.video._decoding import Session

__all__ = ["Decoders"]


class Decoders:
    """Open decoders; those that were not used for longest are closed for others.

    Parameters
    ----------
    most : int
        How many may be open. Only where more threads read at once there are as many as these.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._idle: list[tuple[Hashable, Session]] = []
        self._busy = 0
        self._round = 0

    def __len__(self) -> int:
        """Return how many are open."""
        with self._lock:
            return len(self._idle) + self._busy

    @contextmanager
    def borrowed(self, key: Hashable, make: Callable[[], Session]) -> Iterator[Session]:
        """Lend a decoder of a video; one at which something failed is not lent again."""
        session, round_ = self._take(key, make)
        try:
            yield session
        except BaseException:
            self._end(session)
            raise
        self._give(key, session, round_)

    def add(self, key: Hashable, session: Session) -> None:
        """Take over a decoder that is open already."""
        with self._lock:
            self._busy += 1
            round_ = self._round
        self._give(key, session, round_)

    def close(self) -> None:
        """Close all; those that are lent are closed when they come back."""
        with self._lock:
            gone, self._idle = self._idle, []
            self._round += 1
        for _, session in gone:
            session.close()

    def __del__(self) -> None:
        # What FFmpeg holds open is otherwise left until cycles are looked for.
        for _, session in self._idle:
            session.close()

    def _take(self, key: Hashable, make: Callable[[], Session]) -> tuple[Session, int]:
        with self._lock:
            self._busy += 1
            round_ = self._round
            for place in reversed(range(len(self._idle))):
                if self._idle[place][0] == key:
                    return self._idle.pop(place)[1], round_
            gone = self._surplus()
        for session in gone:
            session.close()
        try:
            return make(), round_
        except BaseException:
            with self._lock:
                self._busy -= 1
            raise

    def _give(self, key: Hashable, session: Session, round_: int) -> None:
        with self._lock:
            self._busy -= 1
            if round_ == self._round:
                self._idle.append((key, session))
                gone = self._surplus()
            else:
                gone = [session]
        for other in gone:
            other.close()

    def _end(self, session: Session) -> None:
        with self._lock:
            self._busy -= 1
        session.close()

    def _surplus(self) -> list[Session]:
        """Remove those that are too many, oldest first; to be closed by the caller, without the lock."""
        many = max(0, len(self._idle) + self._busy - self._most)
        gone, self._idle = self._idle[:many], self._idle[many:]
        return [session for _, session in gone]

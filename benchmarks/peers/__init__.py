"""The readers that ours is measured against, one file each; README.md says how each is used and why."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from peers._peer import Peer

__all__ = ["load", "names"]


def names() -> tuple[str, ...]:
    """Return the names of all rivals: those of their files."""
    found = (path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))
    return tuple(sorted(name for name in found if name != "run_peer"))


def load(name: str) -> Peer:
    """Return a rival by its name; what it needs is imported when it is used."""
    if name not in names():
        raise SystemExit(f"expected one of {', '.join(names())}, got {name}")
    peer: Peer = importlib.import_module(f"peers.{name}").PEER
    return peer

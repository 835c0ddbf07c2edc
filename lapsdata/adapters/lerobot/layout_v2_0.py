"""Version 2.0: files by episode, statistics of all rows in `meta/stats.json`."""

from __future__ import annotations

from lapsdata.adapters.lerobot._by_episode import places

__all__ = ["places"]

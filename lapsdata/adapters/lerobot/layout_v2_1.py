"""Version 2.1: files by episode, statistics of each in `meta/episodes_stats.jsonl`."""

from __future__ import annotations

from lapsdata.adapters.lerobot._by_episode import places

__all__ = ["places"]

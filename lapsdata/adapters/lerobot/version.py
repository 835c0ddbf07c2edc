"""Which layout a data set has: told by what is on disk, and by what `info.json` says; they must not contradict."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, get_args

from lapsdata.adapters.lerobot.info import INFO, Version
from lapsdata.adapters.lerobot.tables import parquet_files
from lapsdata.errors import FormatTooNewError, Problem, SchemaError

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.adapters.lerobot.info import Info

__all__ = ["tell_version"]

_FIX = "correct codebase_version, or bring back the files of the version that it names"


def tell_version(root: Path, info: Info) -> tuple[Version, tuple[Problem, ...]]:
    """Return the layout of a data set, and what its files and `info.json` contradict each other in.

    The patterns of paths decide between versions 2 and 3, for files are found by them; statistics by episode decide
    between 2.0 and 2.1, which are else the same.

    Raises
    ------
    SchemaError
        Patterns of neither.
    FormatTooNewError
        It says that it is of a version after 3.0, and is not laid out as one that is known.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.adapters.lerobot.info import read_info
    >>> from lapsdata.testing.episode_sets import write_lerobot
    >>> root = write_lerobot(pathlib.Path(tempfile.mkdtemp()) / "set", version="v3.0")
    >>> tell_version(root, read_info(root))
    ('v3.0', ())
    """
    where = f"{root / INFO}: codebase_version"
    by_files, by_episodes = ("{file_index" in info.data_path), ("{episode_index" in info.data_path)
    if by_files == by_episodes:
        message = (
            f"expected a pattern with episode_index (versions 2) or file_index (version 3), got {info.data_path!r}"
        )
        raise SchemaError(Problem("unknown-layout", f"{root / INFO}: data_path", message))
    stated = _plain(info.stated)
    if stated not in get_args(Version) and re.fullmatch(r"v([4-9]|3\.[1-9]).*", stated):
        message = f"expected a version up to v3.0, got {info.stated!r}"
        raise FormatTooNewError(Problem("format-too-new", where, message, "install a newer release of lapsdata"))
    on_disk: Version = "v3.0" if by_files else _by_episodes(root)
    if stated == on_disk:
        return on_disk, ()
    if stated in ("v2.0", "v2.1") and on_disk in ("v2.0", "v2.1"):
        has = "has" if on_disk == "v2.1" else "has no"
        message = f"it says {info.stated}, and {has} meta/episodes_stats.jsonl: it is read as {on_disk}"
    else:
        message = (
            f"it says {info.stated or 'nothing'}, and its files are laid out as {on_disk}: it is read as {on_disk}"
        )
    return on_disk, (Problem("version-contradiction", where, message, _FIX, "warning"),)


def _plain(stated: str) -> str:
    """Return `v3.0` of `3.0`, `v3` and `V3.0`."""
    match = re.fullmatch(r"[vV]?(\d+)(\.\d+)?(\.0)?", stated.strip())
    return stated if match is None else f"v{match[1]}{match[2] or '.0'}"


def _by_episodes(root: Path) -> Version:
    meta = root / "meta"
    return "v2.1" if (meta / "episodes_stats.jsonl").is_file() or parquet_files(meta, "episodes_stats") else "v2.0"

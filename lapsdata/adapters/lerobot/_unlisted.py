"""Files of rows and videos that no episode of the list has: nobody reads them, and no copy has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.errors import Problem, listed
from lapsdata.storage.atomic import storage_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from lapsdata.containers import Episodes

__all__ = ["unlisted_files"]


def unlisted_files(root: Path, episodes: Episodes) -> Iterator[Problem]:
    """Yield how many there are of rows, and of videos, in the folders where those of episodes lie.

    Parameters
    ----------
    root : Path
        Folder of the data set; of files in archives nothing is said, which are compared with what was written.
    episodes : Episodes

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.adapters.lerobot.reading import read_set
    >>> from lapsdata.testing.episode_sets import write_lerobot
    >>> root = write_lerobot(pathlib.Path(tempfile.mkdtemp()) / "set", lengths=(3,))
    >>> _ = (root / "data/chunk-000/episode_000009.parquet").write_bytes(b"")
    >>> [problem.where.rpartition("/")[2] for problem in unlisted_files(root, read_set(root).episodes)]
    ['data']
    """
    for kind, known in (("rows", episodes.files), ("videos", episodes.video_files)):
        for folder in sorted({one.partition("/")[0] for one in known if "/" in one}):
            beside = _beside(root / folder, {str(root / one) for one in known})
            if beside:
                count = f"1 file of {kind} belongs" if len(beside) == 1 else f"{len(beside)} files of {kind} belong"
                message = f"{count} to no episode of the list: {listed(beside)}"
                fix = "list their episodes if they are wanted, or move them away: no reader and no copy has them"
                yield Problem("unlisted-files", str(root / folder), message, fix, "warning")


def _beside(folder: Path, known: set[str]) -> Sequence[str]:
    """Return the files below a folder that are not known; none where it is no folder."""
    if not folder.is_dir():
        return []
    with storage_errors(folder, "list"):
        files = sorted(path for path in folder.rglob("*") if path.is_file())
    shown = (path for path in files if not any(part.startswith(".") for part in path.relative_to(folder).parts))
    return [str(path.relative_to(folder)) for path in shown if str(path) not in known]

"""Lay the FFmpeg in PyAV's wheel into a folder under its usual names, where torchcodec finds it without another.

    python tests/ffmpeg_of_pyav.py FOLDER

Wheels for Linux name their libraries `libavcodec-5e6b81c2.so.62.28.102`, torchcodec wants `libavcodec.so.62`. With the
folder on LD_LIBRARY_PATH both packages share one FFmpeg. A PyAV without such libraries leaves the folder empty.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import av

_NAME = re.compile(r"(lib(?:av|sw)[a-z]+)-[0-9a-f]+(\.so\.\d+)[.\d]*")


def lay(folder: Path) -> None:
    """Link each library under its own name, by which others want it, and those of FFmpeg under their usual ones too."""
    folder.mkdir(parents=True, exist_ok=True)
    for library in sorted(Path(av.__file__).parent.with_name("av.libs").glob("*.so*")):
        found = _NAME.fullmatch(library.name)
        for name in {library.name, found[1] + found[2] if found else library.name}:
            link = folder / name
            link.unlink(missing_ok=True)
            link.symlink_to(library)


if __name__ == "__main__":
    lay(Path(sys.argv[1]))

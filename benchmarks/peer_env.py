"""Environments for the rivals that clash with the versions of constraints.txt.

    python benchmarks/peer_env.py [NAME ...]

Each set of requirements gets one virtual environment in `.peers` at the root, which git ignores. What this
interpreter has and the rival accepts is used from here (torch above all, which alone is most of an installation);
what it does not accept is installed beside it and comes first. torch stays at the version of constraints.txt.
Which versions were met is said by the rival itself (`run_peer.py --serve`), not here.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import TYPE_CHECKING

from peers import load, names

if TYPE_CHECKING:
    from peers._peer import Peer

__all__ = ["interpreter", "make"]

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".peers"
KEPT = ("torch",)


def folder(peer: Peer) -> Path:
    """Return the environment of a rival, which all with the same requirements share."""
    digest = hashlib.blake2b("\n".join(peer.requirements).encode(), digest_size=4).hexdigest()
    first = peer.requirements[0].partition("==")[0]
    return FOLDER / f"{first}_{digest}"


def interpreter(peer: Peer) -> Path:
    """Return the interpreter that a rival runs in.

    Raises
    ------
    FileNotFoundError
        Its environment has not been made.
    """
    if not peer.requirements:
        return Path(sys.executable)
    found = folder(peer)
    if not (found / "done").exists():
        raise FileNotFoundError(f"expected an environment for {peer.name}; python benchmarks/peer_env.py {peer.name}")
    return found / "bin" / "python"


def make(peer: Peer) -> Path:
    """Make the environment of a rival, unless it is there, and return its interpreter."""
    if not peer.requirements or (folder(peer) / "done").exists():
        return interpreter(peer)
    place = folder(peer)
    venv.create(place, clear=True, with_pip=False, symlinks=True)
    python = place / "bin" / "python"
    paths = sysconfig.get_paths(vars={"base": str(place), "platbase": str(place)})
    # Read after the environment's own packages, which therefore win.
    Path(paths["purelib"], "reused.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pins = place / "kept.txt"
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins.write_text("\n".join(line for line in lines if line.partition("==")[0] in KEPT) + "\n")
    command = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "-c", pins, *peer.requirements]
    # Packages of ours that the rival's versions do not suit are complained about, and not used by it.
    subprocess.run(command, check=True, env=os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"})
    (place / "done").touch()
    return python


def main() -> None:
    for name in sys.argv[1:] or names():
        peer = load(name)
        make(peer)
        print(f"{name}: {', '.join(peer.requirements) or 'runs in this environment'}")


if __name__ == "__main__":
    main()

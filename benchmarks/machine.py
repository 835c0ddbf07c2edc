"""What a benchmark was run on: versions and a kind of hardware, and no name of a machine."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

__all__ = ["hardware", "versions"]


def versions(*packages: str) -> dict[str, str]:
    return {name: version(name) for name in ("lapsdata", *packages)} | {"python": platform.python_version()}


def hardware() -> dict[str, str | int | None]:
    return {"processor": processor(), "cores": os.cpu_count(), "system": platform.system()}


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()

"""What the poses of a data set cost: 10,000 yaml files of OPV2V, read for the first time and again.

    python benchmarks/bench_opv2v.py [FRAMES [FOLDER]]

A root of yaml alone is generated: 4 agents in scenarios of 500 frames, each with 4 cameras, 25 vehicles and a plan of
20 places, as long as those of OPV2V. It is scanned in processes of its own, page cache warm: with an empty cache of
parsed frames, and again with the one that this leaves, where every file is still read and digested. Beside it stands
PyYAML with libyaml, which parses a hundred of the files. Promise for 10,000: <= 10 s first, <= 0.5 s again.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml
from machine import hardware, versions

from lapsdata.testing.opv2v_scenes import Opv2vScene

RESULT = Path(__file__).with_name("results") / "opv2v.json"
PROMISE = {"first_s": 10.0, "again_s": 0.5}
AGENTS, FRAMES_PER_SCENARIO, VEHICLES, PLAN, AGAIN, PARSED = ("641", "650", "1000", "-1"), 500, 25, 20, 5, 100

SCAN = """
import json, pathlib, sys, time
from lapsdata.adapters.opv2v.scanning import scan_opv2v
began = time.perf_counter()
scan = scan_opv2v(pathlib.Path(sys.argv[1]), cache=pathlib.Path(sys.argv[2]))
print(json.dumps({"seconds": time.perf_counter() - began, "frames": len(scan.facts), "parsed": scan.parsed}))
"""


def texts() -> dict[str, str]:
    """Return the yaml of one frame of each agent, with as many vehicles and places as OPV2V has."""
    scene = Opv2vScene("train", "generated", AGENTS, (69,))
    found = {}
    for agent in AGENTS:
        told = scene.told(agent, 69)
        # Lists of their own: of one list in several places YAML writes an alias.
        like = {"angle": [0.1, 90.0, -0.2], "center": [0.01, 0.0, 0.7], "extent": [2.3, 0.9, 0.7], "speed": 31.5}
        places = {1000 + n: deepcopy({**like, "location": [1.5 * n, -2.5 * n, 0.03]}) for n in range(VEHICLES)}
        plan = [[10.0 + n, 3.25, 20.0] for n in range(PLAN)]
        text = yaml.safe_dump({**told, "vehicles": places, "plan_trajectory": plan}, default_flow_style=False)
        found[agent] = text.replace(f"ego_speed: {told['ego_speed']}\n", "ego_speed: @\n")
    return found


def generated(root: Path, frames: int) -> int:
    """Write so many files; return the bytes of one."""
    by_agent = texts()
    for number in range(frames):
        scenario, rest = divmod(number, len(AGENTS) * FRAMES_PER_SCENARIO)
        agent, frame = AGENTS[rest // FRAMES_PER_SCENARIO], 2 * (rest % FRAMES_PER_SCENARIO) + 68
        folder = root / "train" / f"2021_08_22_{scenario:02d}_00_00" / agent
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{frame:06d}.yaml").write_text(by_agent[agent].replace("@", f"{number}.5"))
    return len(by_agent[AGENTS[0]])


def scan(root: Path, cache: Path) -> dict[str, Any]:
    command = [sys.executable, "-c", SCAN, str(root), str(cache)]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def measure(frames: int, folder: Path, again: int = AGAIN, parsed: int = PARSED) -> dict[str, Any]:
    size = generated(folder / "root", frames)
    files = sorted((folder / "root").rglob("*.yaml"))
    for path in files:
        path.read_bytes()
    first = scan(folder / "root", folder / "cache")
    later = [scan(folder / "root", folder / "cache") for _ in range(again)]
    began = time.perf_counter()
    for path in files[:parsed]:
        yaml.load(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - a safe one
    whole = (time.perf_counter() - began) / parsed * frames
    return {
        "frames": first["frames"],
        "yaml_bytes": size,
        "parsed": {"first": first["parsed"], "again": later[-1]["parsed"]},
        "first_s": first["seconds"],
        "again_s": statistics.median(one["seconds"] for one in later),
        "pyyaml_s": whole,
        "promise": PROMISE,
        "versions": versions("numpy", "pyyaml", "h5py"),
        "hardware": hardware(),
    }


def main() -> None:
    frames = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None) as folder:
        found = measure(frames, Path(folder))
    RESULT.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()

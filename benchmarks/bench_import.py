"""How long `import lapsdata` and `lapsdata --help` take, above a bare interpreter.

    python benchmarks/bench_import.py [RUNS]

Runs are interleaved, so that whatever else the machine does falls on all of them alike. The promise is
`import lapsdata` < 0.2 s.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from machine import hardware, versions

RESULT = Path(__file__).with_name("results") / "import.json"
HELP = "import sys; from lapsdata.cli.main import main; sys.argv = ['lapsdata', '--help']; main()"
CODE = {"bare": "pass", "import": "import lapsdata", "help": HELP, "read": "import lapsdata; lapsdata.read"}


def seconds(code: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def measure(runs: int) -> dict[str, object]:
    for code in CODE.values():
        seconds(code)  # the first run of each fills the cache of the file system
    taken: dict[str, list[float]] = {name: [] for name in CODE}
    for _ in range(runs):
        for name, code in CODE.items():
            taken[name].append(seconds(code))
    median = {name: statistics.median(values) for name, values in taken.items()}
    return {
        "what": "median seconds of a fresh interpreter; 'above_bare_s' is what ours adds",
        "runs": runs,
        "median_s": {name: round(value, 4) for name, value in median.items()},
        "slowest_s": {name: round(max(values), 4) for name, values in taken.items()},
        "above_bare_s": {name: round(median[name] - median["bare"], 4) for name in CODE if name != "bare"},
        "promise_s": {"import": 0.2},
        "versions": versions(),
        "hardware": hardware(),
    }


if __name__ == "__main__":
    result = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 21)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result["median_s"]))

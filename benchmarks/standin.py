"""Write a stand-in for the videos of a data set in the layout of MS-TCN; see `lapsdata.testing.standin`.

Its tables say SYNTHETIC: they show that every step runs, and nothing about the data set.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lapsdata import console
from lapsdata.errors import LapsError
from lapsdata.stages._data_sets import DATA_SETS
from lapsdata.testing.standin import write_standin


def main() -> int:
    """Write what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("labels", type=Path, help="folder with groundTruth, splits and mapping.txt")
    parser.add_argument("root", type=Path, help="folder that is made")
    parser.add_argument("--data-set", choices=sorted(DATA_SETS), default="gtea", help="how videos are called")
    parser.add_argument("--seconds", type=float, help="cut labels and videos off there")
    given = parser.parse_args()
    data_set = DATA_SETS[given.data_set]

    def place(name: str) -> str:
        return f"Videos/{data_set.places(name)[-1]}.mp4"

    try:
        frames = write_standin(given.labels, given.root, data_set.rate, seconds=given.seconds, place=place)
    except LapsError as error:
        console.report(error.problems)
        return 1
    console.write(f"{given.root}: SYNTHETIC, {frames:,} frames")
    console.write(f"$ lapsdata run --recipe {given.data_set} --root {given.root} --split 1")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A format that recognises files by their first four bytes."""

from pathlib import Path


class TracksSample:
    name = "tracks_sample"
    record = "tracks"
    suffixes = (".sample",)

    def sniff(self, path: Path) -> bool:
        with path.open("rb") as file:
            return file.read(4) == b"LAPS"


PLUGIN = TracksSample()

"""Files of LAPS (arXiv 2511.21428): energies as JSON lines, and segments with their codes as JSON.

`energies` reads `stream_energy_*.jsonl` and `energy_split1`, `codes` reads `*.codes.json`; neither kind of file has
times that can be trusted, so that the frames per second are asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lapsdata.adapters._adapter import Adapted, Adapter
from lapsdata.adapters.laps.codes import read_codes, recognises_codes
from lapsdata.adapters.laps.energies import read_energies, recognises_energies

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["PLUGIN"]


def recognises(path: Path) -> str | None:
    """Return the record that is read from it, None where it is none of theirs.

    What LAPS writes for a video holds both kinds: it is read as energies, and its folder `code_indices` as segments.
    """
    if recognises_energies(path):
        return "energies"
    return "segments" if recognises_codes(path) else None


def read(path: Path, **told: Any) -> Adapted:  # noqa: ANN401 - what `read_energies` and `read_codes` take
    """Read whichever kind it is; see `read_energies` and `read_codes`."""
    if recognises(path) != "segments":
        return read_energies(path, **told)
    # What is asked of every kind of file, and means nothing here where it is not said.
    plain = {"stride": None, "horizon": None, "duration_s": None, "zeros": "measured"}
    return read_codes(path, **{name: value for name, value in told.items() if value != plain.get(name, "needed")})


PLUGIN = Adapter(
    "laps",
    "Energies and codes of LAPS, as JSON without times",
    recognises,
    read,
    takes=frozenset({"rate", "stride", "horizon", "duration_s", "zeros"}),
)

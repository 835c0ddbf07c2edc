"""What a seal vouches for, when it or what it speaks of may be damaged."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from lapsdata.errors import CorruptDataError, Problem
from lapsdata.storage.seal import crc32c, make_seal

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["REMAKE", "Seal", "parse_seal"]

REMAKE = "make it anew from its parents"


@dataclass(frozen=True)
class Seal:
    """A stored seal.

    Parameters
    ----------
    state : {"sound", "damaged", "missing", "cut"}
        It fits its own checksum; it does not; there is none; it lay in what was cut off.
    manifest : mapping
        What it says; of a damaged one, what can be read of it.
    """

    state: Literal["sound", "damaged", "missing", "cut"]
    manifest: Mapping[str, Any]

    @property
    def silent(self) -> bool:
        """Whether it says nothing at all."""
        return self.state in ("missing", "cut")

    def expect_header(self, header: bytes, where: str) -> None:
        """Refuse a header that is not the sealed one: every number of the file would be read by it.

        A seal that is damaged itself, and still says the checksum that the header has, vouches for it: two damages
        do not come to agree. Where there is no seal at all, nothing speaks against the header.

        Raises
        ------
        CorruptDataError
            With what to do.
        """
        found = f"{crc32c(header):08x}"
        if not self.silent and self.manifest.get("header") != found:
            message = f"expected a header with CRC-32C {self.manifest.get('header')} as sealed, got {found}"
            raise CorruptDataError(Problem("header-damaged", where, f"{message}: nothing tells what it said", REMAKE))

    def digest(self, name: str) -> str | None:
        """Return what it says of a small array; None where it says nothing."""
        arrays = self.manifest.get("arrays")
        entry = arrays.get(name) if isinstance(arrays, dict) else None
        return entry.get("digest") if isinstance(entry, dict) else None

    def notes(self) -> tuple[Problem, ...]:
        """Say how far the header and the times of what was saved can be relied on."""
        if self.state == "damaged":
            message = "the seal does not fit its own checksum; what it says of the header and the times is so"
            return (Problem("seal-damaged", "seal", message, severity="warning"),)
        if self.state == "cut":
            message = "the seal lies in what was cut off: header and times are as they were found"
            return (Problem("unsealed", "seal", message, "compare them with the source", "warning"),)
        if self.state == "missing":
            message = "there is no seal: the file was not finished; header and times are as they were found"
            return (Problem("unsealed", "seal", message, "compare them with the source", "warning"),)
        return ()


def parse_seal(data: bytes | None) -> Seal:
    """Read a stored seal, None where there is none.

    Examples
    --------
    >>> parse_seal(make_seal({"header": "00000000"})).state
    'sound'
    >>> parse_seal(b"{").state, parse_seal(None).state
    ('damaged', 'missing')
    """
    if data is None:
        return Seal("missing", {})
    try:
        manifest = json.loads(data)["manifest"]
        sound = make_seal(manifest) == data
    except (ValueError, KeyError, TypeError, RecursionError):
        return Seal("damaged", {})
    return Seal("sound" if sound else "damaged", manifest if isinstance(manifest, dict) else {})

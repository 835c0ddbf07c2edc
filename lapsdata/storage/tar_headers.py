"""The blocks of a tar archive that are no content: member headers (ustar, GNU, pax) and their checksums.

References
----------
POSIX.1-2017, `pax`: "ustar Interchange Format" and "pax Extended Header"; the GNU tar manual, "Basic Tar Format".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lapsdata.errors import CorruptDataError, Problem
from lapsdata.storage.seal import REPAIR

__all__ = ["BLOCK", "TarHeader", "padding", "parse_pax", "parse_tar_header", "tar_header"]

BLOCK = 512
"""Bytes of a block: headers are one, contents are filled up with zeros to whole ones."""

_NAME, _SIZE_DIGITS = 100, 11
_LARGEST = 8**_SIZE_DIGITS - 1
_CHECKSUM = slice(148, 156)
# What tar programs write; nothing looser, so that no flipped bit of the field itself goes by.
_CHECKSUMS = re.compile(rb"[0-7]{6}\0 |[0-7]{7}\0|[0-7]{6} \0")
_PAX_NAME = "././@PaxHeader"


@dataclass(frozen=True, slots=True)
class TarHeader:
    """What a header block says.

    Parameters
    ----------
    name : bytes
        As stored, with the prefix of ustar before it.
    size : int
        Bytes of content that follow.
    kind : bytes
        The type flag: `0` for files, `5` for folders, `x` and `g` for pax, `L` and `K` for GNU's long names.
    """

    name: bytes
    size: int
    kind: bytes


def padding(size: int) -> int:
    """Return how many bytes fill a content up to whole blocks.

    Examples
    --------
    >>> padding(512), padding(513)
    (0, 511)
    """
    return -size % BLOCK


def tar_header(name: str, size: int) -> bytes:
    """Return what stands before the content of a file: a ustar header, after a pax header where it is needed.

    Nothing but name and size goes into it: no time, no owner, so that equal contents give equal bytes.

    Parameters
    ----------
    name : str
    size : int
        Bytes of the content.

    Returns
    -------
    bytes
        512, or a multiple where the name is longer than 100 bytes or not ASCII, or the content is 8 GiB or more.

    Examples
    --------
    >>> len(tar_header("0.json", 2)), len(tar_header("0" * 101, 2))
    (512, 1536)
    """
    raw = name.encode()
    records = {}
    if not name.isascii() or len(raw) > _NAME:
        records["path"] = name
    if size > _LARGEST:
        records["size"] = str(size)
    if not records:
        return _block(raw, size, b"0")
    pax = b"".join(_pax_record(key, value) for key, value in records.items())
    short = name.encode("ascii", "replace")[:_NAME]
    before = _block(_PAX_NAME.encode(), len(pax), b"x") + pax + bytes(padding(len(pax)))
    return before + _block(short, size if size <= _LARGEST else 0, b"0")


def _block(name: bytes, size: int, kind: bytes) -> bytes:
    none = b"%07o\0" % 0
    block = bytearray(BLOCK)
    block[: len(name)] = name
    block[100:148] = b"".join((b"%07o\0" % 0o644, none, none, b"%011o\0" % size, b"%011o\0" % 0))
    block[_CHECKSUM] = b" " * 8
    block[156:157] = kind
    block[257:265] = b"ustar\x0000"
    block[329:345] = none * 2
    block[_CHECKSUM] = b"%06o\0 " % sum(block)
    return bytes(block)


def _pax_record(key: str, value: str) -> bytes:
    """Spell `<length> <key>=<value>`, where the length counts its own digits."""
    body = f" {key}={value}\n".encode()
    length = len(body) + 1
    while len(body) + len(str(length)) != length:
        length = len(body) + len(str(length))
    return str(length).encode() + body


def parse_tar_header(block: bytes, where: str, at: int) -> TarHeader:
    """Read a header block and compare its checksum.

    Parameters
    ----------
    block : bytes
        512 of them, not all zero.
    where : str
        The file, for messages.
    at : int
        Where in it the block begins.

    Raises
    ------
    CorruptDataError
        Not a tar header, or not as it was written.

    Examples
    --------
    >>> parse_tar_header(tar_header("0.json", 2), "a.tar", 0)
    TarHeader(name=b'0.json', size=2, kind=b'0')
    >>> parse_tar_header(bytes(511) + b"x", "a.tar", 1024)
    Traceback (most recent call last):
    lapsdata.errors.CorruptDataError: a.tar: byte 1024: expected a tar header with its checksum, got ...
    """
    stated = block[_CHECKSUM]
    total = sum(block) - sum(stated) + 8 * 0x20
    if _CHECKSUMS.fullmatch(stated) is None:
        fix = "decompress it first" if block.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh")) else REPAIR
        raise _corrupt(where, at, "expected a tar header with its checksum, got other bytes", fix)
    if int(stated.strip(b" \0"), 8) != total:
        named = block[:_NAME].partition(b"\0")[0].decode(errors="backslashreplace")
        message = f"expected a header with the checksum {total:06o}, got {stated.strip(b' ' + bytes(1)).decode()}"
        raise _corrupt(where, at, f"{message} (member {named!r})", REPAIR)
    name = block[:_NAME].partition(b"\0")[0]
    prefix = block[345:500].partition(b"\0")[0] if block[257:263] == b"ustar\0" else b""
    return TarHeader(prefix + b"/" + name if prefix else name, _size(block[124:136], where, at), block[156:157])


def _size(field: bytes, where: str, at: int) -> int:
    if field[0] == 0x80:  # GNU: base 256 from 8 GiB
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if not re.fullmatch(rb"[0-7]+", digits):
        raise _corrupt(where, at, f"expected a size in octal digits, got {field!r}", REPAIR)
    return int(digits, 8)


def parse_pax(data: bytes, where: str, at: int) -> dict[str, str]:
    r"""Read the records of a pax header.

    Raises
    ------
    CorruptDataError
        It does not consist of records.

    Examples
    --------
    >>> parse_pax(b"12 path=a/b\n", "a.tar", 512)
    {'path': 'a/b'}
    """
    records, rest = {}, data
    while rest:
        found = re.match(rb"([1-9][0-9]{0,8}) ([^=\n]+)=", rest)
        end = int(found[1]) if found else 0
        if found is None or not found.end() < end <= len(rest) or rest[end - 1 : end] != b"\n":
            message = f"expected a pax record of the form 'length key=value', got {rest[:20]!r}"
            raise _corrupt(where, at + len(data) - len(rest), message, REPAIR)
        key, value = found[2], rest[found.end() : end - 1]
        records[key.decode(errors="replace")] = value.decode(errors="surrogateescape")
        rest = rest[end:]
    return records


def _corrupt(where: str, at: int, message: str, fix: str) -> CorruptDataError:
    return CorruptDataError(Problem("tar-damaged", f"{where}: byte {at}", message, fix))

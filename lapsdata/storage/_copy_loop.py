"""The loop that fills batches: compiled, without the interpreter's lock, and nothing is made per sample.

Rows are named by numbers over all pieces; `starts` says which piece each lies in, and `tables` where each field of an
open piece lies: addresses of arrays with one entry per row, which `pieces` owns. Bytes come from a map or by `pread`,
go into the batch, and are compared there with their checksum. libc, libcrc32c and libblosc are called by name, so
that the compiled code can be kept for other processes.
"""

from __future__ import annotations

import functools
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core.types import ExternalFunction
from numba.extending import intrinsic
from numpy.typing import NDArray

from lapsdata.compiling import compile_loop
from lapsdata.storage._libraries import add_symbol

__all__ = ["announce_rows", "copy_rows", "piece_of", "sum_rows"]

Ints = NDArray[np.int64]

add_symbol("lapsdata_crc32c", "google_crc32c._crc32c", "crc32c_value")
add_symbol("lapsdata_blosc", "numcodecs.blosc", "blosc_decompress_ctx")

_loop = functools.partial(compile_loop, nogil=True)

# Numba documents it and lists it nowhere.
carray: Any = numba.carray  # type: ignore[attr-defined]

_I = types.intp
_memcpy: Any = ExternalFunction("memcpy", _I(_I, _I, _I))
_lseek: Any = ExternalFunction("lseek", _I(types.int32, _I, types.int32))
_pread: Any = ExternalFunction("pread", _I(types.int32, _I, _I, _I))
_openat: Any = ExternalFunction("openat", types.int32(types.int32, _I, types.int32, types.int32))
_fstat: Any = ExternalFunction("fstat", types.int32(types.int32, _I))
_close: Any = ExternalFunction("close", types.int32(types.int32))
_fadvise: Any = ExternalFunction("posix_fadvise", types.int32(types.int32, _I, _I, types.int32))
_crc32c: Any = ExternalFunction("lapsdata_crc32c", types.uint32(_I, _I))
_blosc: Any = ExternalFunction("lapsdata_blosc", types.int32(_I, _I, _I, types.int32))

# What a call returns, with the place in the batch and the field.
GOOD, OUTSIDE, CLOSED, RESIZED, SHORT, WRONG_SUM, UNDECODABLE, NO_FLAG, UNOPENED, REPLACED, BAD_ENTRY = range(11)

# Columns of `tables (slots, fields, TABLE)`, all int64; an address is 0 where there is no such array.
# SEEN holds a byte per row: 0 not read yet, 1 verified, 2 read, and nothing says what it should have been.
METHOD, OFFSETS, LENGTHS, PARTS, SUMS, SEEN, TAIL = range(7)
TABLE = 7

# How a row gets into the batch: as it is; float32 0 and 1 made bool; decoded; both; by the caller; from an array in
# memory, whose address stands in OFFSETS.
COPY, FLAGS, BLOSC, BLOSC_FLAGS, ELSEWHERE, MEMORY = range(6)

# Columns of `parts (P, PART)`, all int64: address of the map (0 where reads are made), descriptor, bytes of the file
# when its index was made.
BASE, DESCRIPTOR, SIZE = range(3)
PART = 3

NEVER, FIRST, ALWAYS = range(3)

# Float32, as bits: 1.0, and all but the sign.
ONE_BITS, SIZE_BITS = np.uint32(0x3F800000), np.uint32(0x7FFFFFFF)

_FROM_END, _WILL_NEED = 2, 3
_BLOSC_HEADER = 16


def _loader(kind: Any, element: Any) -> Any:  # noqa: ANN401 - types of Numba and LLVM
    """Make the function that reads one number at an address."""

    def load(typing: Any, address: Any) -> Any:  # noqa: ANN401 - Numba's protocol
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
            return builder.load(builder.inttoptr(arguments[0], element.as_pointer()), align=1)

        return kind(types.intp), generate

    return intrinsic(load)


def _put(typing: Any, address: Any, value: Any) -> Any:  # noqa: ANN401 - Numba's protocol
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        byte = builder.trunc(arguments[1], ir.IntType(8))
        builder.store(byte, builder.inttoptr(arguments[0], ir.IntType(8).as_pointer()))
        return context.get_dummy_value()

    return types.void(types.intp, types.intp), generate


_put_byte: Any = intrinsic(_put)
_int64 = _loader(types.int64, ir.IntType(64))
_int32 = _loader(types.int32, ir.IntType(32))
_uint32 = _loader(types.uint32, ir.IntType(32))
_uint8 = _loader(types.uint8, ir.IntType(8))


def _point(typing: Any, address: Any) -> Any:  # noqa: ANN401 - Numba's protocol
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        return builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())

    return types.voidptr(types.intp), generate


_pointer: Any = intrinsic(_point)


@_loop
def piece_of(starts: Ints, row: int) -> int:
    """Return the piece that a row lies in: `starts (pieces + 1)` rises from 0 to the number of rows."""
    low, high = 0, len(starts) - 1
    while high - low > 1:
        middle = (low + high) // 2
        if starts[middle] <= row:
            low = middle
        else:
            high = middle
    return low


@_loop
def sum_rows(address: int, length: int, sums: NDArray[np.uint32]) -> None:
    """Put the CRC-32C of rows that lie one behind the other, `length` bytes each, into `sums (W,)`."""
    for i in range(len(sums)):
        sums[i] = _crc32c(address + i * length, length)


@_loop
def _make_flags(source: int, target: int, count: int) -> bool:
    """Turn float32 0 and 1 into bytes; say whether there was nothing else."""
    # As bits, which LLVM makes vectors of: 0.0, -0.0 and 1.0.
    bits, flags = (
        carray(_pointer(source), (count,), np.uint32),
        carray(_pointer(target), (count,), np.uint8),
    )
    strange = np.uint32(0)
    for i in range(count):
        one, zero = np.uint32(bits[i] == ONE_BITS), np.uint32(bits[i] & SIZE_BITS == 0)
        strange |= np.uint32(1) - (one | zero)
        flags[i] = np.uint8(one)
    return bool(strange == 0)


@_loop
def _read(parts: Ints, part: int, offset: int, count: int, target: int) -> bool:
    """Read exactly `count` bytes; the system may hand them over in pieces."""
    done = 0
    while done < count:
        got = _pread(np.int32(parts[part, DESCRIPTOR]), target + done, count - done, offset + done)
        if got <= 0:
            return False
        done += got
    return True


@_loop
def _decode(source: int, stored: int, target: int, decoded: int) -> bool:
    """Undo Blosc; its header must speak of exactly these two lengths, or it would be followed out of the chunk."""
    if stored < _BLOSC_HEADER or _uint32(source + 4) != decoded or _uint32(source + 12) != stored:
        return False
    return bool(_blosc(source, target, decoded, 1) == decoded)


@_loop
def _copy_row(
    table: Ints, parts: Ints, row: int, part: int, target: int, size: int, scratch: int, stage: int, check: bool
) -> int:
    """Put one row of one field where it belongs; see `copy_rows` for the codes.

    `scratch` has room for the decoded bytes of a row as stored, `stage` for its stored bytes.
    """
    method, tail = table[METHOD], table[TAIL]
    offset, stored = _int64(table[OFFSETS] + 8 * row), _int64(table[LENGTHS] + 8 * row)
    base = parts[part, BASE]
    mapped = base != 0
    flags = method in (FLAGS, BLOSC_FLAGS)
    blosc = method in (BLOSC, BLOSC_FLAGS)
    decoded, place = (4 * size, scratch) if flags else (size, target)
    # A sum of the decoded row says all that one of its stored bytes says, unless these have to be decoded first.
    tail = tail if check and (blosc or table[SUMS] == 0) else 0
    source = base + offset
    if not mapped:
        # What is not decoded goes straight to its place.
        source = stage if blosc else place
        if not _read(parts, part, offset, stored, source):
            return SHORT
        if tail and not _read(parts, part, offset + stored, 4, stage + stored):
            return SHORT
    elif not blosc:
        _memcpy(place, source, stored)
    if tail:
        stated = _uint32(source + stored if mapped else stage + stored)
        if _crc32c(source if blosc else place, stored) != stated:
            return WRONG_SUM
    if blosc and not _decode(source, stored, place, decoded):
        return UNDECODABLE
    if check and table[SUMS] and _crc32c(place, decoded) != _uint32(table[SUMS] + 4 * row):
        return WRONG_SUM
    if flags and not _make_flags(place, target, size):
        return NO_FLAG
    return GOOD


@_loop
def copy_rows(
    ids: Ints,
    starts: Ints,
    slots: Ints,
    tables: Ints,
    fields: Ints,
    parts: Ints,
    outs: Ints,
    sizes: Ints,
    verify: int,
    room: int,
    reads: Ints,
) -> tuple[int, int, int]:
    """Fill a batch with rows; those whose method is ELSEWHERE are left out.

    Parameters
    ----------
    ids : int64 (B,)
        Rows, counted over all pieces.
    starts : int64 (pieces + 1,)
        First row of each piece, and the number of rows.
    slots : int64 (pieces,)
        Which of `tables` is that of a piece; -1 where it is not open.
    tables : int64 (slots, all fields, TABLE)
    fields : int64 (K,)
        Which fields.
    parts : int64 (P, PART)
    outs, sizes : int64 (K,)
        Address of each field's batch, and bytes of one of its rows there.
    verify : {NEVER, FIRST, ALWAYS}
        Which rows are compared with their checksums.
    room : int
        Bytes of the largest row as stored or decoded.
    reads : int64 (slots,)
        Counts the rows read of each open piece, as well as threads that do not wait for each other can.

    Returns
    -------
    code, position, field : int
        `GOOD`; or what is wrong, with which of `ids`, with which of `fields`: `OUTSIDE` of all
        pieces, `CLOSED` piece, `RESIZED` file, `SHORT`
        read,
        `WRONG_SUM`, `UNDECODABLE`, `NO_FLAG` (neither 0 nor 1).
    """
    room = (room // 64 + 1) * 64
    spare, sized = np.empty(2 * room, np.uint8), np.zeros(len(parts), np.uint8)
    # In a function of its own: Numba frees an array after the last use of its name, whatever is done at its address.
    return _copy_into(ids, starts, slots, tables, fields, parts, outs, sizes, verify, spare, room, sized, reads)


@_loop
def _copy_into(
    ids: Ints,
    starts: Ints,
    slots: Ints,
    tables: Ints,
    fields: Ints,
    parts: Ints,
    outs: Ints,
    sizes: Ints,
    verify: int,
    spare: NDArray[np.uint8],
    room: int,
    sized: NDArray[np.uint8],
    reads: Ints,
) -> tuple[int, int, int]:
    """Do what `copy_rows` says, with room for two rows in `spare`, and which of `parts` have their size in `sized`."""
    scratch = spare.ctypes.data
    for i in range(len(ids)):
        if ids[i] < 0 or ids[i] >= starts[-1]:
            return OUTSIDE, i, -1
        piece = piece_of(starts, ids[i])
        if slots[piece] < 0:
            return CLOSED, i, -1
        row = ids[i] - starts[piece]
        for k in range(len(fields)):
            table = tables[slots[piece], fields[k]]
            if table[METHOD] == ELSEWHERE:
                continue
            if table[METHOD] == MEMORY:
                _memcpy(outs[k] + i * sizes[k], table[OFFSETS] + row * sizes[k], sizes[k])
                continue
            part = _int32(table[PARTS] + 4 * row)
            if not sized[part]:
                # Reading a map of a file that has become shorter would kill the process.
                if _lseek(np.int32(parts[part, DESCRIPTOR]), 0, np.int32(_FROM_END)) != parts[part, SIZE]:
                    return RESIZED, i, k
                sized[part] = 1
            seen = table[SEEN] + row
            check = verify == ALWAYS or (verify == FIRST and _uint8(seen) == 0)
            code = _copy_row(table, parts, row, part, outs[k] + i * sizes[k], sizes[k], scratch, scratch + room, check)
            if code != GOOD:
                return code, i, k
            reads[slots[piece]] += 1
            if check:
                _put_byte(seen, 1 if table[SUMS] or table[TAIL] else 2)
    return GOOD, -1, -1


@_loop
def announce_rows(ids: Ints, starts: Ints, slots: Ints, tables: Ints, fields: Ints, parts: Ints) -> None:
    """Tell the system which bytes `copy_rows` is about to read, so that it fetches them all at once from a disk.

    Only where there is `posix_fadvise`; what cannot be read is left for `copy_rows` to say.
    """
    for row_id in ids:
        if row_id < 0 or row_id >= starts[-1]:
            continue
        piece = piece_of(starts, row_id)
        if slots[piece] < 0:
            continue
        for number in fields:
            table = tables[slots[piece], number]
            if table[METHOD] in (ELSEWHERE, MEMORY):
                continue
            at = 8 * (row_id - starts[piece])
            part = _int32(table[PARTS] + at // 2)
            offset, stored = _int64(table[OFFSETS] + at), _int64(table[LENGTHS] + at)
            _fadvise(np.int32(parts[part, DESCRIPTOR]), offset, stored, np.int32(_WILL_NEED))


@_loop
def copy_rows_at(
    ids: int,
    rows: int,
    starts: int,
    slots: int,
    pieces: int,
    tables: int,
    opened: int,
    every: int,
    fields: int,
    outs: int,
    sizes: int,
    chosen: int,
    parts: int,
    handles: int,
    verify: int,
    room: int,
    reads: int,
) -> tuple[int, int, int]:
    """Do as `copy_rows`, with addresses and lengths: for a mixed NumPy install, whose arrays Numba cannot take."""
    return copy_rows(
        carray(_pointer(ids), (rows,), np.int64),
        carray(_pointer(starts), (pieces + 1,), np.int64),
        carray(_pointer(slots), (pieces,), np.int64),
        carray(_pointer(tables), (opened, every, TABLE), np.int64),
        carray(_pointer(fields), (chosen,), np.int64),
        carray(_pointer(parts), (handles, PART), np.int64),
        carray(_pointer(outs), (chosen,), np.int64),
        carray(_pointer(sizes), (chosen,), np.int64),
        verify,
        room,
        carray(_pointer(reads), (opened,), np.int64),
    )


# Words of an entry, and columns of its files and fields; see `entries`.
E_SUM, E_ITEM, E_GENERATION, E_ROWS, E_FILES, E_FIELDS, E_BYTES = range(7)
E_HEAD, E_FILE, E_FIELD = 7, 4, 10
F_SIZE, F_MTIME, F_INODE, F_NAME = range(4)
D_METHOD, D_FILE, D_BASE, D_STRIDE, D_LENGTH, D_OFFSETS, D_LENGTHS, D_PARTS, D_SUMS, D_TAIL = range(10)
IN_ENTRY = -1

_NANO = 1_000_000_000


@_loop
def _word(address: int, number: int) -> int:
    return int(_int64(address + 8 * number))


@_loop
def _is_entry(entry: int, size: int, item: int, generation: int, rows: int, fields: int) -> bool:
    """Say whether bytes are the entry of an item that was written for these rows."""
    if size < 8 * E_HEAD or size % 8 or _word(entry, E_BYTES) != size:
        return False
    if _word(entry, E_ITEM) != item or _word(entry, E_GENERATION) != generation or _word(entry, E_ROWS) != rows:
        return False
    return bool(_word(entry, E_FIELDS) == fields and _crc32c(entry + 8, size - 8) == _word(entry, E_SUM))


@_loop
def _open_as(entry: int, number: int, folder: int, flags: int, status: NDArray[np.uint8], layout: Ints) -> int:
    """Open a file of an entry; return its descriptor, or minus the code of what is wrong."""
    words = entry + 8 * (E_HEAD + E_FILE * number)
    name = entry + _word(words, F_NAME)
    descriptor = _openat(np.int32(folder), name, np.int32(flags), np.int32(0))
    if descriptor < 0:
        return -UNOPENED
    at = status.ctypes.data
    good = _fstat(descriptor, at) == 0
    changed = _int64(at + layout[1]) * _NANO + _int64(at + layout[2])
    good = good and _int64(at + layout[0]) == _word(words, F_SIZE) and changed == _word(words, F_MTIME)
    if good and _int64(at + layout[3]) == _word(words, F_INODE):
        return int(descriptor)
    _close(descriptor)
    return -REPLACED


@_loop
def _close_all(descriptors: NDArray[np.int32], count: int) -> None:
    for number in range(count):
        if descriptors[number] >= 0:
            _close(descriptors[number])
            descriptors[number] = -1


@_loop
def _place_of(entry: int, words: int, row: int) -> tuple[int, int, int]:
    """Return file, offset and length of a row of a field."""
    offsets, lengths, parts = _word(words, D_OFFSETS), _word(words, D_LENGTHS), _word(words, D_PARTS)
    part = int(_int32(entry + parts + 4 * row)) if parts else _word(words, D_FILE)
    offset = _word(entry + offsets, row) if offsets else _word(words, D_BASE) + row * _word(words, D_STRIDE)
    length = _word(entry + lengths, row) if lengths else _word(words, D_LENGTH)
    return part, offset, length


@_loop
def _fill_table(table: Ints, entry: int, words: int, row: int) -> None:
    """Say of one row of a field what `_copy_row` wants to know, as if it were the only one."""
    sums = _word(words, D_SUMS)
    table[METHOD], table[TAIL] = _word(words, D_METHOD), _word(words, D_TAIL)
    table[SUMS] = entry + sums + 4 * row if sums else 0


@_loop
def _copy_known(
    table: Ints, parts: Ints, place: Ints, target: int, size: int, spare: NDArray[np.uint8], room: int, check: bool
) -> int:
    """Put a row where it belongs, whose file is open and whose `place` is offset and length."""
    method, length = table[METHOD], place[1]
    plain = 4 * size if method == FLAGS else size
    if length < 0 or (method in (COPY, FLAGS) and length != plain):
        return UNDECODABLE
    table[OFFSETS], table[LENGTHS] = place.ctypes.data, place.ctypes.data + 8
    scratch = spare.ctypes.data
    return int(_copy_row(table, parts, 0, 0, target, size, scratch, scratch + room, check))


@_loop
def copy_entries(
    ids: Ints,
    order: Ints,
    starts: Ints,
    places: Ints,
    entries: int,
    generation: int,
    fields: Ints,
    all_fields: int,
    outs: Ints,
    sizes: Ints,
    verify: int,
    seen: NDArray[np.uint8],
    known: NDArray[np.uint8],
    left: NDArray[np.uint8],
    folder: int,
    flags: int,
    layout: Ints,
) -> tuple[int, int, int]:
    """Fill a batch with rows of files that are opened for it, by the entries of an index.

    Parameters
    ----------
    ids : int64 (B,)
        Rows, counted over all items; none is outside of them.
    order : int64 (n,)
        Which of `ids`, those of an item one after the other: its files are opened once.
    starts : int64 (items + 1,)
        First row of each item, and the number of rows.
    places : int64 (items + 1,)
        Where each entry begins, and the end of the last; an item without one has none between.
    entries : int
        Address of the entries.
    generation : int
    fields : int64 (K,)
        Which fields, of `all_fields`.
    outs, sizes : int64 (K,)
        As `copy_rows`.
    verify : {NEVER, FIRST, ALWAYS}
    seen : uint8 (all fields, bytes)
        A bit for each row that was read; threads that write to one byte at once may forget one.
    known : uint8 (items,)
        1 where an entry was verified before, 2 where it is not to be used.
    left : uint8 (B,)
        Set to 1 for rows that are not read here.
    folder, flags : int
        Descriptor that names are relative to, and flags of `openat`.
    layout : int64 (4,), bytes
        Where a status holds size, seconds and nanoseconds of the last change, and inode.

    Returns
    -------
    code, position, field : int
        As `copy_rows`; also `UNOPENED` and `REPLACED` file, `BAD_ENTRY`.
    """
    status = np.empty(512, np.uint8)
    descriptors = np.full(16, -1, np.int32)
    table, parts, place = np.zeros(TABLE, np.int64), np.zeros((1, PART), np.int64), np.zeros(2, np.int64)
    spare, room = np.empty(0, np.uint8), 0
    last, count, entry = -1, 0, 0
    code, at, field = GOOD, -1, -1
    for at in order:
        item = piece_of(starts, ids[at])
        row = ids[at] - starts[item]
        if item != last:
            _close_all(descriptors, count)
            last, count = item, 0
            entry, stop = entries + places[item], entries + places[item + 1]
            if stop > entry:
                rows = starts[item + 1] - starts[item]
                if not known[item] and not _is_entry(entry, stop - entry, item, generation, rows, all_fields):
                    code = BAD_ENTRY
                    break
                known[item] = max(known[item], 1)
                count = _word(entry, E_FILES)
                if count > len(descriptors):
                    descriptors = np.full(count, -1, np.int32)
        if known[item] != 1:
            left[at] = 1
            continue
        for k in range(len(fields)):
            field = k
            words = entry + 8 * (E_HEAD + E_FILE * count + E_FIELD * fields[k])
            if _word(words, D_METHOD) == ELSEWHERE:
                left[at] = 1
                break
            part, offset, length = _place_of(entry, words, row)
            target, size = outs[k] + at * sizes[k], sizes[k]
            if part == IN_ENTRY:
                _memcpy(target, entry + offset, size)
                continue
            if descriptors[part] < 0:
                opened = _open_as(entry, part, folder, flags, status, layout)
                if opened < 0:
                    code = -opened
                    break
                descriptors[part] = opened
            needed = max(length + 4, 4 * size)
            if needed > room:
                room = (needed // 64 + 1) * 64
                spare = np.empty(2 * room, np.uint8)
            byte, bit = ids[at] >> 3, np.uint8(1 << (ids[at] & 7))
            check = verify == ALWAYS or (verify == FIRST and not seen[fields[k], byte] & bit)
            parts[0, DESCRIPTOR], place[0], place[1] = descriptors[part], offset, length
            _fill_table(table, entry, words, row)
            code = _copy_known(table, parts, place, target, size, spare, room, check)
            if code != GOOD:
                break
            if check:
                seen[fields[k], byte] |= bit
        if code != GOOD:
            break
    _close_all(descriptors, count)
    return code, at, field

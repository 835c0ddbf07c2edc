"""Arrays as they lie in tar members: an npy header, then the plain bytes, so that both NumPy and a memory map read it.

References
----------
NumPy's npy format, version 1.0: magic, version, length of the header, a Python dictionary filled up with spaces.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.errors import CorruptDataError, Problem, SchemaError
from lapsdata.storage.seal import REPAIR

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["npy_header", "parse_npy_header", "plain_bytes"]

_MAGIC = b"\x93NUMPY"
_ALIGN = 64


def npy_header(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bytes:
    r"""Return what stands before the bytes of an array in an npy file: the same bytes with every version of NumPy.

    Its length is a multiple of 64, so that an array in a tar member begins at one as well.

    Examples
    --------
    >>> header = npy_header((2, 3), np.dtype("<f4"))
    >>> len(header), np.load(io.BytesIO(header + bytes(24))).shape
    (128, (2, 3))
    """
    text = f"{{'descr': {dtype.newbyteorder('<').str!r}, 'fortran_order': False, 'shape': {shape!r}, }}".encode()
    fill = -(len(_MAGIC) + 4 + len(text) + 1) % _ALIGN
    length = len(text) + fill + 1
    return _MAGIC + b"\x01\x00" + length.to_bytes(2, "little") + text + b" " * fill + b"\n"


def plain_bytes(array: NDArray[Any]) -> bytes:
    r"""Return the little-endian bytes of an array, in C order.

    Examples
    --------
    >>> plain_bytes(np.array([1, 2], ">i2"))
    b'\x01\x00\x02\x00'
    """
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def parse_npy_header(begin: bytes, where: str) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Read the header of an npy file of anybody.

    Parameters
    ----------
    begin : bytes
        The first bytes of the file, at least the whole header.
    where : str
        The file, for messages.

    Returns
    -------
    shape, dtype, offset
        Where the bytes of the array begin.

    Raises
    ------
    CorruptDataError
        Not an npy header, or a damaged one.
    SchemaError
        An array that is not plain numbers in C order.

    Examples
    --------
    >>> parse_npy_header(npy_header((2, 3), np.dtype("<f4")), "a.npy")
    ((2, 3), dtype('float32'), 128)
    """
    file = io.BytesIO(begin)
    try:
        version = np.lib.format.read_magic(file)
        # Version 3 differs from 2 in names outside of Latin-1, which plain numbers have none of.
        long = np.lib.format.read_array_header_2_0
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): long, (3, 0): long}[version]
        shape, fortran, dtype = read(file)
    # NumPy evaluates the header as Python; what that raises for damaged text is up to Python.
    except Exception as error:
        message = f"expected an npy header of version 1, 2 or 3, got {begin[:10]!r} ... ({type(error).__name__})"
        raise CorruptDataError(Problem("npy-damaged", where, message, REPAIR)) from error
    if fortran or dtype.kind not in "biuf":
        order = "Fortran order" if fortran else f"dtype {dtype}"
        fix = "store it as np.ascontiguousarray of plain numbers"
        raise SchemaError(Problem("npy-unplain", where, f"expected plain numbers in C order, got {order}", fix))
    return tuple(shape), dtype, file.tell()

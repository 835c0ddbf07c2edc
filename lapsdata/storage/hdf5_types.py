"""Element types of HDF5 files, read from the file's own description and never through NumPy's dtype table.

h5py turns a stored type into a dtype by comparing it with sizes that it took from NumPy's C structures at
import. In a mixed NumPy install these sizes read as 0 and every float "has insufficient precision". Class,
size, order, sign and bit fields come from the file itself and stay right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

__all__ = ["ByteOrder", "StoredType", "TypeClass", "memory_type", "stored_type"]

TypeClass = Literal[
    "integer",
    "float",
    "boolean",
    "enum",
    "bitfield",
    "fixed-string",
    "variable-string",
    "variable-length",
    "compound",
    "array",
    "opaque",
    "reference",
    "time",
]
ByteOrder = Literal["little", "big", "none", "other"]
Padding = Literal["null-terminated", "null-padded", "space-padded"]

# (mantissa bits, exponent bits) of IEEE 754 binary16, binary32, binary64; a sign bit stands before them.
_IEEE: Final = {2: (10, 5), 4: (23, 8), 8: (52, 11)}
_NATIVE_SIZES: Final = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True)
class StoredType:
    """One element type as the file describes it.

    Parameters
    ----------
    type_class : str
        Kind of element; an enum of FALSE = 0 and TRUE = 1 is `"boolean"`.
    size : int
        Bytes per element in the file.
    byte_order : {"little", "big", "none", "other"}
    native : np.dtype or None
        Type that the values are read to, in the byte order of this machine; None where only h5py's high level
        knows.
    disk : np.dtype or None
        Type of the bytes as they lie in the file; None where they need more than a reinterpretation.
    precision, bit_offset : int
        Significant bits of an integer and where they start; other classes fill the element.
    padding : str or None
        How a fixed-length string is filled up.
    """

    type_class: TypeClass
    size: int
    byte_order: ByteOrder
    native: np.dtype[Any] | None = None
    disk: np.dtype[Any] | None = None
    precision: int = 0
    bit_offset: int = 0
    padding: Padding | None = None


def stored_type(type_id: Any) -> StoredType:  # noqa: ANN401  h5py publishes no types
    """Describe an `h5py.h5t.TypeID` by its own fields.

    Examples
    --------
    >>> import h5py
    >>> stored = stored_type(h5py.h5t.IEEE_F32BE)
    >>> stored.type_class, stored.size, stored.byte_order, stored.native
    ('float', 4, 'big', dtype('float32'))
    """
    from h5py import h5t

    size = int(type_id.get_size())
    kind = type_id.get_class()
    if kind == h5t.INTEGER:
        return _integer(type_id, "integer")
    if kind == h5t.FLOAT:
        return _float(type_id)
    if kind == h5t.ENUM:
        members = {type_id.get_member_name(i): type_id.get_member_value(i) for i in range(type_id.get_nmembers())}
        boolean = size == 1 and members == {b"FALSE": 0, b"TRUE": 1}
        base = type_id.get_super()
        return _boolean(base) if boolean else _integer(base, "enum")
    if kind == h5t.BITFIELD:
        return _bitfield(type_id)
    if kind == h5t.STRING:
        return _string(type_id)
    others: dict[int, TypeClass] = {
        h5t.VLEN: "variable-length",
        h5t.COMPOUND: "compound",
        h5t.ARRAY: "array",
        h5t.OPAQUE: "opaque",
        h5t.REFERENCE: "reference",
    }
    return StoredType(others.get(kind, "time"), size, "none")


def memory_type(type_id: Any, stored: StoredType) -> Any:  # noqa: ANN401  h5py publishes no types
    """Return the `h5py.h5t.TypeID` of a buffer of dtype `stored.native`.

    Booleans and bit fields convert to no number in HDF5: they are read as the type that the file names, put
    into the byte order of this machine.
    """
    from h5py import h5t

    if stored.native is None:
        raise ValueError(f"a {stored.type_class} has no fixed-size memory type")
    order = _native_order()
    if stored.type_class == "fixed-string":
        text = h5t.C_S1.copy()
        text.set_size(stored.size)
        text.set_strpad(h5t.STR_NULLPAD)
        text.set_cset(type_id.get_cset())
        return text
    if stored.type_class == "boolean":
        return type_id
    if stored.type_class == "bitfield":
        return getattr(h5t, f"STD_B{8 * stored.native.itemsize}{order}")
    family = {"f": "IEEE_F", "i": "STD_I", "u": "STD_U"}[stored.native.kind]
    return getattr(h5t, f"{family}{8 * stored.native.itemsize}{order}")


def _native_order() -> Literal["LE", "BE"]:
    return "LE" if np.dtype("=u2") == np.dtype("<u2") else "BE"


def _order(type_id: Any) -> ByteOrder:  # noqa: ANN401
    from h5py import h5t

    known: dict[int, ByteOrder] = {
        h5t.ORDER_LE: "little",
        h5t.ORDER_BE: "big",
        h5t.ORDER_NONE: "none",
    }
    return known.get(type_id.get_order(), "other")


def _dtype(kind: str, size: int, order: ByteOrder) -> np.dtype[Any] | None:
    """Type of the raw bytes, or None for a width or byte order that NumPy has no type for."""
    if size not in _NATIVE_SIZES or order not in ("little", "big"):
        return None
    return np.dtype(f"{'<' if order == 'little' else '>'}{kind}{size}")


def _integer(type_id: Any, type_class: TypeClass) -> StoredType:  # noqa: ANN401
    from h5py import h5t

    size, order = int(type_id.get_size()), _order(type_id)
    kind = "i" if type_id.get_sign() == h5t.SGN_2 else "u"
    width = next((wide for wide in _NATIVE_SIZES if wide >= size), None)
    return StoredType(
        type_class,
        size,
        order,
        native=np.dtype(f"={kind}{width}") if width else None,
        disk=_dtype(kind, size, order),
        precision=type_id.get_precision(),
        bit_offset=type_id.get_offset(),
    )


def _boolean(base: Any) -> StoredType:  # noqa: ANN401
    return StoredType("boolean", 1, _order(base), np.dtype("?"), np.dtype("u1"), precision=8)


def _bitfield(type_id: Any) -> StoredType:  # noqa: ANN401
    """h5py tells neither precision nor offset of a bit field, so that its raw bytes are left to libhdf5."""
    size = int(type_id.get_size())
    native = np.dtype(f"=u{size}") if size in _NATIVE_SIZES else None
    return StoredType("bitfield", size, _order(type_id), native)


def _float(type_id: Any) -> StoredType:  # noqa: ANN401
    from h5py import h5t

    size, order = int(type_id.get_size()), _order(type_id)
    sign_at, exponent_at, exponent, mantissa_at, mantissa = type_id.get_fields()
    bias = type_id.get_ebias()
    width = next((wide for wide in _IEEE if _holds(wide, exponent, mantissa, bias)), None)
    fields = (sign_at, exponent_at, exponent, mantissa_at, mantissa, bias)
    plain = (
        size in _IEEE
        and type_id.get_norm() == h5t.NORM_IMPLIED
        and fields == _ieee_fields(size)
        and type_id.get_offset() == 0
    )
    return StoredType(
        "float",
        size,
        order,
        native=np.dtype(f"=f{size if plain else width}") if width else None,
        disk=_dtype("f", size, order) if plain else None,
        precision=type_id.get_precision(),
    )


def _holds(width: int, exponent: int, mantissa: int, bias: int) -> bool:
    """Tell whether an IEEE float of `width` bytes holds each value of such a float, subnormal ones too."""
    wide_mantissa, wide_exponent = _IEEE[width]
    wide_bias = 2 ** (wide_exponent - 1) - 1
    largest_fits = 2**exponent - 1 - bias <= wide_bias + 1
    smallest_fits = bias + mantissa <= wide_bias + wide_mantissa
    return mantissa <= wide_mantissa and largest_fits and smallest_fits


def _ieee_fields(size: int) -> tuple[int, int, int, int, int, int]:
    """Sign position, exponent position and width, mantissa position and width, exponent bias."""
    mantissa, exponent = _IEEE[size]
    return (8 * size - 1, mantissa, exponent, 0, mantissa, 2 ** (exponent - 1) - 1)


def _string(type_id: Any) -> StoredType:  # noqa: ANN401
    from h5py import h5t

    size = int(type_id.get_size())
    if type_id.is_variable_str():
        return StoredType("variable-string", size, "none")
    paddings: dict[int, Padding] = {
        h5t.STR_NULLTERM: "null-terminated",
        h5t.STR_NULLPAD: "null-padded",
        h5t.STR_SPACEPAD: "space-padded",
    }
    text = np.dtype(f"S{size}")
    known = type_id.get_cset() in (h5t.CSET_ASCII, h5t.CSET_UTF8)
    padding = paddings[type_id.get_strpad()]
    return StoredType("fixed-string", size, "none", text, text if known else None, padding=padding)

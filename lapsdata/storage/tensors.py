"""The one bridge from NumPy arrays to torch tensors that also holds in a mixed NumPy install.

There `torch.from_numpy` refuses every array and `torch.asarray` returns a *flattened* tensor without a word;
DLPack carries shape and strides outside NumPy's binary interface and stays right (`numpy_install` names the
cause).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lapsdata.errors import CorruptDataError, Problem, SchemaError

if TYPE_CHECKING:
    import numpy as np
    import torch

__all__ = ["as_tensor"]


def as_tensor(array: np.ndarray[Any, np.dtype[Any]]) -> torch.Tensor:
    """Return `array` as a tensor of the same shape and values.

    A writable array in native byte order is shared; a read-only or byte-swapped one is copied, since a tensor
    can neither forbid writing nor hold another order.

    Parameters
    ----------
    array : np.ndarray
        Numbers or booleans, any shape.

    Raises
    ------
    SchemaError
        The dtype has no counterpart in torch.
    CorruptDataError
        The tensor does not have the shape of the array: the NumPy install is broken in a new way.

    Examples
    --------
    >>> import numpy as np
    >>> as_tensor(np.ones((2, 3), "f4")).shape
    torch.Size([2, 3])
    """
    from torch.utils.dlpack import from_dlpack

    native = array.astype(array.dtype.newbyteorder("="), copy=not array.flags.writeable)
    try:
        tensor = from_dlpack(native)
    except (BufferError, RuntimeError, TypeError) as error:
        message = f"expected numbers or booleans that torch knows, got {array.dtype}: {error}"
        raise SchemaError(Problem("no-tensor-dtype", "tensor", message, "convert the array first")) from error
    if tuple(tensor.shape) != array.shape or tensor.element_size() != native.itemsize:
        message = f"expected shape {array.shape} of {native.itemsize} bytes, got {tensor.shape}"
        raise CorruptDataError(Problem("wrong-tensor", "tensor", message, "run `lapsdata doctor`"))
    return tensor

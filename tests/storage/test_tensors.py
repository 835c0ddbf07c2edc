"""The bridge to torch keeps shape, values and, where it can, the memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lapsdata.errors import CorruptDataError, SchemaError
from lapsdata.storage import tensors
from lapsdata.storage.tensors import as_tensor

DTYPES = ["?", "f2", "<f4", ">f4", "f8", "i1", "u1", "<i2", ">i2", "i4", "i8", "u2", "u4", "u8"]


@given(st.sampled_from(DTYPES), hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4), st.booleans())
def test_shape_and_values_cross_unchanged(dtype: str, shape: tuple[int, ...], transposed: bool) -> None:
    array = (np.arange(np.prod(shape, dtype=int)) % 100).reshape(shape).astype(dtype)
    array = array.T if transposed else array
    tensor = as_tensor(array)
    assert tuple(tensor.shape) == array.shape
    assert tensor.tolist() == array.tolist()


def test_a_writable_array_is_shared_and_a_read_only_one_is_copied() -> None:
    array = np.zeros(3, "f4")
    as_tensor(array)[0] = 7
    assert array[0] == 7
    array.flags.writeable = False
    copied = as_tensor(array)
    copied[0] = 9
    assert array[0] == 7
    assert copied.dtype == torch.float32


@pytest.mark.parametrize("array", [np.array([b"a"]), np.zeros(2, "g"), np.zeros(2, "O")])
def test_what_torch_has_no_type_for_is_named(array: np.ndarray) -> None:
    with pytest.raises(SchemaError, match=r"expected numbers or booleans that torch knows, got .*no-tensor-dtype"):
        as_tensor(array)


def test_a_flattening_bridge_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `torch.asarray` does in a mixed NumPy install must never pass."""
    monkeypatch.setattr("torch.utils.dlpack.from_dlpack", lambda array: torch.zeros(array.size))
    with pytest.raises(CorruptDataError, match=r"expected shape \(2, 3\) of 4 bytes, got torch.Size\(\[6\]\)"):
        tensors.as_tensor(np.zeros((2, 3), "f4"))

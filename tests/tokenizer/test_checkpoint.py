"""Tokenizers on disk: equal bytes, and no damage that is not told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from lapsdata.errors import CorruptDataError, SchemaError, StorageError
from lapsdata.storage.sealed_json import sealed_json
from lapsdata.testing.samples import sample_provenance
from lapsmodels.tokenizer.checkpoint import TokenizerHeader, load_tokenizer, save_tokenizer, weights_digest
from lapsmodels.tokenizer.config import TokenizerConfig
from lapsmodels.tokenizer.model import MotionTokenizer

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = TokenizerConfig(points=9, horizon=5, width=16, heads=2, head_width=8, levels=(5, 3))


def header_of(config: TokenizerConfig = CONFIG) -> TokenizerHeader:
    views = tuple(f"view_{v}" for v in range(config.views))
    return TokenizerHeader(provenance=sample_provenance(), config=config, views=views, weights=weights_digest(b""))


def model_of(config: TokenizerConfig = CONFIG) -> MotionTokenizer:
    torch.manual_seed(1)
    return MotionTokenizer(config)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "small.tokenizer"
    save_tokenizer(path, model_of(), header_of())
    return path


def test_what_was_written_is_read(saved: Path) -> None:
    model, header = load_tokenizer(saved)
    assert header.config == model.config == CONFIG
    assert header.weights == weights_digest((saved / "weights.safetensors").read_bytes())
    assert not model.training
    given = torch.randn(2, 1, 4, 9, 2)
    assert torch.equal(model.encode(given).indices, model_of().eval().encode(given).indices)


def test_equal_weights_are_equal_bytes(saved: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.tokenizer"
    save_tokenizer(again, model_of(), header_of())
    for name in ("weights.safetensors", "tokenizer.json"):
        assert (again / name).read_bytes() == (saved / name).read_bytes()


def test_an_existing_one_is_replaced_only_when_told(saved: Path) -> None:
    with pytest.raises(StorageError, match=r"small.tokenizer"):
        save_tokenizer(saved, model_of(), header_of())
    save_tokenizer(saved, model_of(), header_of(), overwrite=True)


@pytest.mark.parametrize("at", [0, 9, 400, -1])
def test_a_flipped_bit_is_told(saved: Path, at: int) -> None:
    weights = saved / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[at] ^= 4
    weights.write_bytes(data)
    with pytest.raises(CorruptDataError, match=r"its weights are not those that were written; copy it again"):
        load_tokenizer(saved)


@pytest.mark.parametrize("at", [2, 40, 200, -3])
def test_a_flipped_bit_of_its_header_is_told(saved: Path, at: int) -> None:
    told = saved / "tokenizer.json"
    data = bytearray(told.read_bytes())
    data[at] ^= 1
    told.write_bytes(data)
    with pytest.raises((CorruptDataError, SchemaError), match=r"tokenizer.json"):
        load_tokenizer(saved)


def test_half_a_tokenizer_is_none(saved: Path) -> None:
    (saved / "weights.safetensors").unlink()
    with pytest.raises(CorruptDataError, match=r"expected weights.safetensors beside tokenizer.json, got: No such"):
        load_tokenizer(saved)
    (saved / "tokenizer.json").unlink()
    with pytest.raises(StorageError, match=r"expected a folder with tokenizer.json and weights.safetensors, got anot"):
        load_tokenizer(saved)


def test_weights_of_another_configuration_are_refused(saved: Path, tmp_path: Path) -> None:
    wide = CONFIG.model_copy(update={"points": 10})
    other = tmp_path / "wide.tokenizer"
    save_tokenizer(other, model_of(wide), header_of(wide))
    told = header_of(wide).model_copy(update={"weights": weights_digest((saved / "weights.safetensors").read_bytes())})
    (saved / "tokenizer.json").write_bytes(sealed_json(told))
    with pytest.raises(SchemaError, match=r"expected the weights of the configuration beside them"):
        load_tokenizer(saved)


def test_a_header_of_another_model_is_refused(tmp_path: Path) -> None:
    two_views = CONFIG.model_copy(update={"views": 2})
    with pytest.raises(SchemaError, match=r"expected the configuration of the model and 1 views, got others"):
        save_tokenizer(tmp_path / "x.tokenizer", model_of(), header_of(two_views))

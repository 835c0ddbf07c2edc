"""The encoder of sequences: no look at what it is asked for, no influence of pads, early stop, seeds, disk."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from lapsdata.errors import CorruptDataError, LapsWarning, SchemaError, StorageError
from lapsdata.testing.samples import sample_provenance
from lapsmodels.clustering import encoder as module
from lapsmodels.clustering.embeddings import embed
from lapsmodels.clustering.encoder import EncoderOptions, fit_encoder, load_encoder, save_encoder
from lapsmodels.clustering.frozen import frozen_transformer
from lapsmodels.clustering.next_code import NextCode, padded

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lapsmodels.clustering.sequences import Sequences

    Kinds = Callable[..., Sequences]

SMALL = EncoderOptions(width=12, layers=1, dropout=0.0, rate=0.02, batch=16, epochs=12, val=0.34)
ONE = torch.tensor([4, 0, 2, 7, 7, 1])


@pytest.fixture
def model() -> NextCode:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return NextCode(12, 8, 2, 0.0).eval()


@pytest.mark.parametrize("at", range(6))
def test_neither_direction_sees_the_code_that_it_is_asked_for(model: NextCode, at: int) -> None:
    """Regression: with two layers of a bidirectional LSTM the next code is copied, and the loss says nothing."""
    other = ONE.clone()
    other[at] = 9
    with torch.no_grad():
        (onward, back), (onward_2, back_2) = (model.states(padded([one], 6)) for one in (ONE, other))
    assert torch.equal(onward[0, :at], onward_2[0, :at])
    assert torch.equal(back[0, at + 1 :], back_2[0, at + 1 :])
    assert not torch.equal(onward[0, at:], onward_2[0, at:])
    assert not torch.equal(back[0, : at + 1], back_2[0, : at + 1])


def test_what_stands_behind_the_end_changes_nothing(model: NextCode) -> None:
    long, short = torch.arange(11), ONE
    with torch.no_grad():
        together = model.embed(padded([short, long], 20))
        alone = torch.cat([model.embed(padded([one], 20)) for one in (short, long)])
        losses = [float(model.loss(padded(some, 20))[0]) for some in ([short, long], [short], [long])]
    torch.testing.assert_close(together, alone)
    assert losses[0] == pytest.approx(losses[1] + losses[2], rel=1e-5)


def test_the_loss_is_of_the_next_and_the_previous_code(model: NextCode) -> None:
    batch = padded([ONE], 6)
    with torch.no_grad():
        total, asked = model.loss(batch)
        onward, back = model.states(batch)
        expected = 0.0
        for at in range(5):
            expected -= float(model.next(onward[0, at]).log_softmax(-1)[ONE[at + 1]])
            expected -= float(model.previous(back[0, at + 1]).log_softmax(-1)[ONE[at]])
    assert asked == 10
    assert float(total) == pytest.approx(expected, rel=1e-5)


def test_sequences_of_one_code_are_asked_for_nothing(model: NextCode) -> None:
    total, asked = model.loss(padded([torch.tensor([3])], 6))
    assert (float(total), asked) == (0.0, 0)


def test_the_end_is_cut_off(model: NextCode) -> None:
    with torch.no_grad():
        torch.testing.assert_close(model.embed(padded([ONE], 3)), model.embed(padded([ONE[:3]], 3)))


def test_it_learns_what_follows_what_and_is_judged_by_other_videos(kinds: Kinds) -> None:
    """Codes go round in fours: who knows the code before knows the next, shares alone say ln 12 at best."""
    found = fit_encoder(kinds(each=8), 12, SMALL)
    training = found.training
    assert training.unigram_loss == pytest.approx(np.log(12), abs=0.1)
    assert training.loss < 0.5 * training.unigram_loss
    assert len(training.held_out) == 1
    assert training.sequences == 2 * 24


def test_equal_seeds_give_equal_weights_and_leave_torch_alone(kinds: Kinds) -> None:
    state = torch.get_rng_state()
    one, other, third = (fit_encoder(kinds(), 12, SMALL.model_copy(update={"epochs": 2, "dropout": 0.2}), seed=seed)
                         for seed in (0, 0, 1))  # fmt: skip
    assert torch.equal(torch.get_rng_state(), state)
    each = kinds().each
    np.testing.assert_array_equal(one.embed(each), other.embed(each))
    assert np.abs(one.embed(each) - third.embed(each)).max() > 1e-3


def test_it_stops_where_the_held_out_get_no_better_and_takes_the_best(
    kinds: Kinds, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([3.0, 2.0, 2.5, 2.4, 2.3, 1.0])
    monkeypatch.setattr(module, "_mean_loss", lambda *_: next(losses))
    found = fit_encoder(kinds(), 12, SMALL.model_copy(update={"patience": 3}))
    assert (found.training.epochs, found.training.taken_from, found.training.loss) == (5, 2, 2.0)


def test_judged_by_none_all_epochs_are_done_and_the_last_is_taken(kinds: Kinds) -> None:
    found = fit_encoder(kinds(videos=1), 12, SMALL.model_copy(update={"val": None, "epochs": 3}))
    assert (found.training.epochs, found.training.taken_from, found.training.held_out) == (3, 3, ())
    with pytest.raises(SchemaError, match="expected two videos or more to take some to be judged by, got 1"):
        fit_encoder(kinds(videos=1), 12, SMALL)


def test_sequences_of_one_code_teach_nothing(kinds: Kinds) -> None:
    found = kinds()
    segments = found.segments
    object.__setattr__(segments, "codes", tuple(one[:1] for one in found.each))
    with pytest.raises(SchemaError, match="expected a sequence of at least two codes to learn from, got none"):
        fit_encoder(found, 12, SMALL)


def test_it_comes_back_from_disk(kinds: Kinds, tmp_path: Path) -> None:
    made = fit_encoder(kinds(), 7, SMALL.model_copy(update={"epochs": 1}))
    save_encoder(tmp_path, made, sample_provenance())
    again = load_encoder(tmp_path)
    assert (again.longest, again.codes, again.training, again.options) == (7, 12, made.training, made.options)
    np.testing.assert_array_equal(again.embed(kinds().each), made.embed(kinds().each))
    with pytest.raises(SchemaError, match="encoder: expected codes below 12, as of the tokenizer that it was trained"):
        again.embed([np.array([12], np.int32)])
    weights = tmp_path / "encoder.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(CorruptDataError, match=r"encoder\.safetensors: its weights are not those that were written"):
        load_encoder(tmp_path)
    weights.unlink()
    with pytest.raises(StorageError, match=r"encoder\.safetensors: cannot read: no such file"):
        load_encoder(tmp_path)
    with pytest.raises(StorageError, match=r"expected a folder with encoder\.json and encoder\.safetensors, got none"):
        load_encoder(tmp_path / "nowhere")


def test_a_frozen_transformer_is_of_its_seed_and_blind_behind_the_end() -> None:
    random = np.random.default_rng(0)
    each = [random.normal(size=(length, 5)).astype(np.float32) for length in (9, 3, 6)]
    found = frozen_transformer(each, 9, seed=1)
    assert found.shape == (3, 256)
    np.testing.assert_allclose(found[1:2], frozen_transformer(each[1:2], 9, seed=1), atol=1e-4)
    assert np.abs(found - frozen_transformer(each, 9, seed=2)).max() > 1e-3
    np.testing.assert_allclose(frozen_transformer(each, 3, seed=1)[0], frozen_transformer([each[0][:3]], 3, seed=1)[0],
                               atol=1e-4)  # fmt: skip


def test_a_frozen_transformer_hears_the_order() -> None:
    steps = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
    one, turned = frozen_transformer([steps, steps[::-1].copy()], 6)
    assert np.abs(one - turned).max() > 1e-2


def test_codes_of_another_tokenizer_are_refused_and_of_an_unknown_one_told(kinds: Kinds, tmp_path: Path) -> None:
    one, other = (replace(kinds(), tokenizer=f"sha256:{letter * 64}") for letter in "ab")
    save_encoder(tmp_path, fit_encoder(one, 7, SMALL.model_copy(update={"epochs": 1})), sample_provenance())
    encoder = load_encoder(tmp_path)
    assert embed(one, "lstm", encoder=encoder).vectors.shape == (len(one), encoder.options.width * 2)
    with pytest.raises(
        SchemaError, match=r"codes of the tokenizer sha256:aaaaaaaa that .* got those of sha256:bbbbbbbb"
    ):
        embed(other, "lstm", encoder=encoder)
    with pytest.warns(LapsWarning, match="nothing tells of which tokenizer the codes are that it is given"):
        embed(kinds(), "lstm", encoder=encoder)
    with pytest.warns(LapsWarning, match="nothing tells of which tokenizer the codes are that it was trained with"):
        embed(one, "lstm", encoder=encoder._replace(tokenizer=None))

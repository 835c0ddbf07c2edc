"""Predicted actions in each form of a file, beside drawn episodes whose errors are known."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lapsdata.errors import CorruptDataError, LapsError, SchemaError, StorageError, UnknownFormatError
from lapsdata.schema.actions import ActionResult
from lapsdata.stages.actions import ActionOptions, action_errors, score_actions
from lapsdata.storage.sealed_json import read_sealed_json
from lapsdata.testing.episode_sets import episode_rows, write_lerobot

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

LENGTHS = (4, 6, 5)
HORIZON = 3
MODALITY = {"action": {"arm": {"start": 0, "end": 2}, "hand": {"start": 2, "end": 3}}, "state": {}}


def truth(episode: int) -> NDArray[np.float64]:
    return episode_rows(LENGTHS)[episode].columns["action"].astype(np.float64)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    found = write_lerobot(tmp_path / "set", lengths=LENGTHS)
    (found / "meta/modality.json").write_text(json.dumps(MODALITY))
    return found


def chunks(asked: list[tuple[int, int]], error: float = 0.0) -> dict[str, Any]:
    """Return true chunks of rows and an error upon each number; beyond the end stands the last action."""
    found = []
    for episode, row in asked:
        actions = truth(episode)
        found.append(actions[np.minimum(row + np.arange(HORIZON), len(actions) - 1)] + error)
    episodes, rows = (np.array(column) for column in zip(*asked, strict=True))
    return {"episode": episodes, "row": rows, "actions": np.array(found)}


def said(path: Path, arrays: dict[str, Any]) -> Path:
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        pq.write_table(pa.table({name: np.asarray(values).tolist() for name, values in arrays.items()}), path)
    return path


ALL = [(1, 0), (1, 2), (1, 5), (2, 4)]


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
def test_errors_beside_chance(root: Path, tmp_path: Path, suffix: str) -> None:
    found = action_errors(said(tmp_path / f"said{suffix}", chunks(ALL, error=0.25)), root)
    assert [(row.name, row.kind) for row in found.rows] == [
        ("prediction", "prediction"),
        ("hold_last", "chance"),
        ("mean_action", "chance"),
        ("mean_trajectory", "chance"),
    ]
    assert found.rows[0].parts[0].mae == pytest.approx(0.25)
    assert found.rows[0].parts[0].mse == pytest.approx(0.0625)
    assert (found.episodes, found.rows_predicted, found.steps_scored) == ((1, 2), 4, (4, 2, 2))
    assert found.policies == {
        "steps_beyond_the_end_left_out": 4,
        "first_rows_held_by_the_mean_action": 1,
        "episodes_without_a_prediction": 1,
    }


def test_rows_of_chance_by_hand(root: Path, tmp_path: Path) -> None:
    # Of episode 1, the numbers of row r are 1.5, r + 0.5 and r + 1.5.
    found = {row.name: row for row in action_errors(said(tmp_path / "said.npz", chunks([(1, 2)])), root).rows}
    assert found["prediction"].parts[0].mae == 0
    # What was done at row 1, held at rows 2, 3 and 4.
    assert [step.mae for step in found["hold_last"].parts[0].steps] == pytest.approx([2 / 3, 4 / 3, 2])
    others = np.concatenate([truth(0), truth(2)])
    wanted = np.abs(truth(1)[2:5] - others.mean(axis=0))
    assert found["mean_action"].parts[0].mae == pytest.approx(wanted.mean())
    assert [one.mae for one in found["mean_action"].parts[0].numbers] == pytest.approx(wanted.mean(axis=0))
    place = np.arange(2, 5) / 5
    curves = [
        np.stack([np.interp(place, np.linspace(0, 1, len(one)), column) for column in one.T], axis=1)
        for one in (truth(0), truth(2))
    ]
    wanted = np.abs(truth(1)[2:5] - np.mean(curves, axis=0))
    assert found["mean_trajectory"].parts[0].mae == pytest.approx(wanted.mean(), abs=1e-2)


@pytest.mark.parametrize("names", [("arm", "hand"), ("hand",), ("action.hand", "arm")])
def test_keys_are_parts_of_one_array_of_the_whole_column(root: Path, tmp_path: Path, names: tuple[str, ...]) -> None:
    arrays = chunks(ALL)
    arrays["actions"][:, :, 2] += 0.5
    if set(names) == {"action.hand", "arm"}:
        with pytest.raises(SchemaError, match="expected keys in the order of action"):
            action_errors(said(tmp_path / "said.npz", arrays), root, ActionOptions(parts=names))
        return
    found = action_errors(said(tmp_path / "said.npz", arrays), root, ActionOptions(parts=names))
    assert [key.name for key in found.parts] == list(names)
    by_name = {key.name: errors.mae for key, errors in zip(found.parts, found.rows[0].parts, strict=True)}
    assert by_name == {name: pytest.approx(0.5 if name == "hand" else 0.0) for name in names}


def test_keys_have_arrays_of_their_own_in_any_order(root: Path, tmp_path: Path) -> None:
    whole = chunks(ALL[::-1])
    arrays = {name: whole[name] for name in ("episode", "row")}
    arrays |= {"hand": whole["actions"][:, :, 2:] + 0.5, "arm": whole["actions"][:, :, :2]}
    found = action_errors(said(tmp_path / "said.npz", arrays), root, ActionOptions(parts=("hand", "arm")))
    assert [one.mae for one in found.rows[0].parts] == pytest.approx([0.5, 0])
    assert [key.numbers for key in found.parts] == [("2",), ("0", "1")]


def test_one_array_of_the_numbers_of_the_keys(root: Path, tmp_path: Path) -> None:
    arrays = chunks(ALL)
    arrays["actions"] = arrays["actions"][:, :, :2]
    found = action_errors(said(tmp_path / "said.npz", arrays), root, ActionOptions(parts=("arm",)))
    assert found.rows[0].parts[0].mae == 0


def test_the_order_of_rows_changes_nothing_but_the_file(root: Path, tmp_path: Path) -> None:
    one = action_errors(said(tmp_path / "one.npz", chunks(ALL, 0.1)), root)
    other = action_errors(said(tmp_path / "other.npz", chunks(ALL[::-1], 0.1)), root)
    assert one.rows == other.rows
    assert one.truth_digest == other.truth_digest


def test_the_digest_is_of_the_truth_and_of_the_keys(root: Path, tmp_path: Path) -> None:
    said(tmp_path / "said.npz", chunks(ALL))
    digests = {
        action_errors(tmp_path / "said.npz", root, ActionOptions(parts=keys)).truth_digest
        for keys in (("action",), ("arm", "hand"), ("arm",))
    }
    other = write_lerobot(tmp_path / "other", lengths=(4, 6, 6))
    digests.add(action_errors(tmp_path / "said.npz", other).truth_digest)
    assert len(digests) == 4


def test_means_of_a_train_part_alone(root: Path, tmp_path: Path) -> None:
    path = said(tmp_path / "said.npz", chunks([(2, 1)]))
    found = action_errors(path, root, ActionOptions(train=(0, 1)))
    wanted = np.abs(truth(2)[1:4] - truth(0).mean(axis=0)).mean()
    assert found.rows[2].parts[0].mae == pytest.approx(wanted)
    assert found.rules.means_of == "train_episodes"


@pytest.mark.parametrize(("row", "names"), [(1, ["prediction", "hold_last"]), (0, ["prediction"])])
def test_without_another_episode_there_are_no_means(tmp_path: Path, row: int, names: list[str]) -> None:
    root = write_lerobot(tmp_path / "set", lengths=LENGTHS)
    found = action_errors(said(tmp_path / "said.npz", chunks([(1, row)])), root, ActionOptions(train=(1, 2)))
    assert [one.name for one in found.rows] == names


def changed(**changes: Any) -> dict[str, Any]:
    return chunks(ALL) | changes


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (changed(episode=np.array([1, 1, 1, 7])), "expected numbers of the 3 episodes whose rows are there, got '7'"),
        (changed(row=np.array([0, 2, 6, 4])), "expected rows within 0 to 5 of episode 1, got 6"),
        (changed(row=np.array([0, 2, 2, 4])), "expected each row once, got row 2 of episode 1 again"),
        (changed(row=np.array([0.0, 2.0, 5.0, 4.0])), "expected whole numbers"),
        (changed(row=np.array([0, 2])), "expected as many rows as episodes"),
        (changed(actions=np.zeros((4, 3))), r"expected numbers \(n=4, horizon, D\)"),
        (changed(actions=np.zeros((4, 3, 5))), "expected D = 3, the numbers of the keys, or 3, those of action, got 5"),
        (changed(actions=np.full((4, 3, 3), np.nan)), "expected finite numbers, got others in 4 of 4 rows"),
        ({"episode": np.array([1]), "actions": np.zeros((1, 3, 3))}, "expected the arrays episode and row"),
        ({"episode": np.array([1]), "row": np.array([1])}, "expected an array of each key, or one called actions"),
    ],
)
def test_predictions_that_do_not_fit(root: Path, tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        action_errors(said(tmp_path / "said.npz", arrays), root)


@pytest.mark.parametrize(
    ("arm", "hand"), [((1, 3, 3), (1, 3, 1)), ((1, 3, 2), (1, 2, 1))], ids=["other numbers", "another horizon"]
)
def test_arrays_of_keys_that_do_not_fit_each_other(
    root: Path, tmp_path: Path, arm: tuple[int, ...], hand: tuple[int, ...]
) -> None:
    arrays = {"episode": np.array([1]), "row": np.array([1]), "arm": np.zeros(arm), "hand": np.zeros(hand)}
    with pytest.raises(SchemaError, match="every key has the horizon of the first, and the numbers of its part"):
        action_errors(said(tmp_path / "said.npz", arrays), root, ActionOptions(parts=("arm", "hand")))


@pytest.mark.parametrize(
    ("keys", "message"),
    [(("leg",), "such as 'action.arm', 'action.hand', 'action'"), (("arm", "arm"), "each key once")],
)
def test_keys_that_are_not_there(root: Path, tmp_path: Path, keys: tuple[str, ...], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        action_errors(said(tmp_path / "said.npz", chunks(ALL)), root, ActionOptions(parts=keys))


def test_files_that_are_none(root: Path, tmp_path: Path) -> None:
    (tmp_path / "said.csv").write_text("episode,row")
    (tmp_path / "said.npz").write_bytes(b"PK no archive")
    good = said(tmp_path / "good.npz", chunks(ALL))
    for path, kind, message in (
        (tmp_path / "said.csv", UnknownFormatError, "expected predicted actions as .npz or .parquet"),
        (tmp_path / "said.npz", CorruptDataError, "expected arrays of NumPy"),
        (tmp_path / "absent.npz", StorageError, "absent"),
    ):
        with pytest.raises(kind, match=message):
            action_errors(path, root)
    with pytest.raises(UnknownFormatError, match="expected robot episodes of a kind that is known"):
        action_errors(good, tmp_path / "said.csv")


def test_actions_that_are_not_finite_are_refused(root: Path, tmp_path: Path) -> None:
    file = root / "data/chunk-000/episode_000001.parquet"
    table = pq.read_table(file)
    cells = pa.FixedSizeListArray.from_arrays(pa.array(np.full(18, np.nan, np.float32)), 3)
    pq.write_table(table.set_column(table.schema.get_field_index("action"), "action", cells), file)
    with pytest.raises(LapsError, match="episode 1: expected finite actions"):
        action_errors(said(tmp_path / "said.npz", chunks(ALL)), root)


def test_a_result_is_kept_and_made_again_when_the_prediction_is_another(root: Path, tmp_path: Path) -> None:
    path, out = said(tmp_path / "said.npz", chunks(ALL, 0.25)), tmp_path / "scores.json"
    fates = [score_actions(path, root, out).fate for _ in range(2)]
    assert read_sealed_json(out, ActionResult) == action_errors(path, root)
    said(path, chunks(ALL, 0.5))
    fates.append(score_actions(path, root, out).fate)
    assert fates == ["made", "kept", "changed"]
    assert read_sealed_json(out, ActionResult).rows[0].parts[0].mae == pytest.approx(0.5)

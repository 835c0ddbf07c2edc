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


def drawn_set(folder: Path, lengths: tuple[int, ...], seed: int) -> tuple[Path, list[NDArray[np.float64]]]:
    """Write a set whose actions are drawn, and return them as they are in it."""
    root, rng = write_lerobot(folder, lengths=lengths), np.random.default_rng(seed)
    (root / "meta/modality.json").write_text(json.dumps(MODALITY))
    actions = [rng.normal(size=(rows, 3)).astype(np.float32) for rows in lengths]
    for episode, values in enumerate(actions):
        file = root / f"data/chunk-000/episode_{episode:06d}.parquet"
        table = pq.read_table(file)
        cells = pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), 3)
        pq.write_table(table.set_column(table.schema.get_field_index("action"), "action", cells), file)
    return root, [values.astype(np.float64) for values in actions]


def plain_chance(
    actions: list[NDArray[np.float64]], others: list[int], episode: int, row: int, step: int
) -> dict[str, NDArray[np.float64]]:
    """Return what each row of chance says of one step, one number after the other."""
    rows = [action for other in others for action in actions[other]]
    mean = np.array([sum(action[number] for action in rows) / len(rows) for number in range(3)])
    place = (row + step) / (len(actions[episode]) - 1)
    below = min(int(place * 100), 99)
    curve = []
    for number in range(3):
        at_grid = []
        for node in (below, below + 1):
            values = []
            for other in others:
                exact = node / 100 * (len(actions[other]) - 1)
                left = min(int(exact), len(actions[other]) - 2)
                one, two = actions[other][left : left + 2, number]
                values.append(one + (two - one) * (exact - left))
            at_grid.append(sum(values) / len(values))
        curve.append(at_grid[0] + (at_grid[1] - at_grid[0]) * (place * 100 - below))
    return {
        "hold_last": actions[episode][row - 1] if row else mean,
        "mean_action": mean,
        "mean_trajectory": np.array(curve),
    }


def test_episodes_that_were_trained_on_and_are_not_there(tmp_path: Path) -> None:
    root, actions = drawn_set(tmp_path / "set", (7, 9), 0)
    predicted = said(tmp_path / "said.npz", {"episode": [1], "row": [0], "actions": actions[1][None, :1, :2]})
    options = ActionOptions(parts=("arm",), train=(9, 12))
    with pytest.raises(SchemaError, match=r"^train: expected episodes .* are 0 to 1, got none in 9:12; name those"):
        action_errors(predicted, root, options)


@pytest.mark.parametrize("train", [None, (0, 2), (2, 9)])
@pytest.mark.parametrize("seed", [0, 1])
def test_every_row_and_number_is_that_of_a_plain_loop(tmp_path: Path, seed: int, train: tuple[int, int] | None) -> None:
    lengths, horizon = (7, 9, 5, 11), 4
    root, actions = drawn_set(tmp_path / "set", lengths, seed)
    asked = [(0, 0), (0, 6), (1, 3), (1, 8), (3, 0), (3, 1), (3, 9)]
    predicted = np.random.default_rng(seed + 9).normal(size=(len(asked), horizon, 3))
    arrays = {"episode": [one for one, _ in asked], "row": [row for _, row in asked], "actions": predicted}
    options = ActionOptions(parts=("arm", "hand"), train=train)
    found = action_errors(said(tmp_path / "said.npz", arrays), root, options)
    errors: dict[str, list[tuple[int, NDArray[np.float64]]]] = {}
    for at, (episode, row) in enumerate(asked):
        others = [n for n in range(*(train or (0, 4))) if n != episode and n < 4]
        for step in range(min(horizon, lengths[episode] - row)):
            told = {"prediction": predicted[at, step]} | plain_chance(actions, others, episode, row, step)
            for name, values in told.items():
                errors.setdefault(name, []).append((step, values - actions[episode][row + step]))
    assert [row.name for row in found.rows] == list(errors)
    left_out = len(asked) * horizon - len(errors["prediction"])
    assert found.policies["steps_beyond_the_end_left_out"] == left_out > 0
    assert found.policies["first_rows_held_by_the_mean_action"] == 2
    # Those that were trained on need none.
    assert found.policies["episodes_without_a_prediction"] == (0 if train == (2, 9) else 1)
    for table_row in found.rows:
        for part, told_key in zip((slice(0, 2), slice(2, 3)), table_row.parts, strict=True):
            off = np.array([error[part] for _, error in errors[table_row.name]])
            assert told_key.mae == pytest.approx(np.abs(off).mean())
            assert told_key.mse == pytest.approx((off**2).mean())
            assert [one.mae for one in told_key.numbers] == pytest.approx(np.abs(off).mean(axis=0))
            assert [one.mse for one in told_key.numbers] == pytest.approx((off**2).mean(axis=0))
            for step, of_step in enumerate(told_key.steps):
                one = np.array([error[part] for at_step, error in errors[table_row.name] if at_step == step])
                assert (of_step.mae, of_step.mse) == pytest.approx((np.abs(one).mean(), (one**2).mean()))


def test_keys_are_columns_beside_groups(root: Path, tmp_path: Path) -> None:
    whole = chunks(ALL)
    arrays = {name: whole[name] for name in ("episode", "row")}
    # A column of one number, a group, and a column that is no action at all.
    arrays |= {"next.reward": np.full((4, HORIZON, 1), 2.0), "arm": whole["actions"][:, :, :2]}
    arrays["observation.state"] = whole["actions"] - 0.5
    keys = ("next.reward", "arm", "observation.state")
    found = action_errors(said(tmp_path / "said.npz", arrays), root, ActionOptions(parts=keys))
    assert [(key.name, key.numbers) for key in found.parts] == [
        ("next.reward", ("0",)),
        ("arm", ("0", "1")),
        ("observation.state", ("0", "1", "2")),
    ]
    # Eight steps have a truth, and two of them are the last rows of their episodes, where the reward is 1.
    assert [one.mae for one in found.rows[0].parts] == pytest.approx([2 - 2 / 8, 0, 0])


def test_one_array_of_keys_of_two_columns_is_as_wide_as_they_are_together(root: Path, tmp_path: Path) -> None:
    keys = ActionOptions(parts=("hand", "next.reward"))
    arrays = chunks(ALL)
    with pytest.raises(SchemaError, match="expected D = 2, the numbers of the keys, got 3"):
        action_errors(said(tmp_path / "said.npz", arrays), root, keys)
    arrays["actions"] = np.concatenate([arrays["actions"][:, :, 2:] + 0.5, np.zeros((4, HORIZON, 1))], axis=2)
    found = action_errors(said(tmp_path / "said.npz", arrays), root, keys)
    assert [one.mae for one in found.rows[0].parts] == pytest.approx([0.5, 2 / 8])


def test_one_predicted_episode_that_knows_no_other_takes_the_means_from_all(root: Path, tmp_path: Path) -> None:
    options = ActionOptions(train=(1, 2))
    path = said(tmp_path / "said.npz", chunks([(1, 2), (2, 1)]))
    assert [row.name for row in action_errors(path, root, options).rows] == ["prediction", "hold_last"]
    said(path, chunks([(2, 0), (2, 1)]))
    found = action_errors(path, root, options)
    assert [row.name for row in found.rows] == ["prediction", "hold_last", "mean_action", "mean_trajectory"]
    assert found.policies["first_rows_held_by_the_mean_action"] == 1


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (changed(row=np.array([-1, 2, 5, 4])), "expected rows within 0 to 5 of episode 1, got -1"),
        (changed(episode=np.array([-1, 1, 1, 2])), "expected numbers of the 3 episodes whose rows are there, got '-1'"),
        (changed(episode=np.array([[1], [1], [1], [2]])), r"expected whole numbers \(n,\), got int64 \(4, 1\)"),
        (changed(actions=np.zeros((3, 3, 3))), r"expected numbers \(n=4, horizon, D\), got float64 \(3, 3, 3\)"),
        (changed(actions=np.zeros((4, 0, 3))), r"expected numbers \(n=4, horizon, D\), got float64 \(4, 0, 3\)"),
        (changed(actions=np.zeros((4, 3, 3), bool)), r"expected numbers \(n=4, horizon, D\), got bool"),
        (
            {"episode": np.zeros(0, int), "row": np.zeros(0, int), "actions": np.zeros((0, 3, 3))},
            "expected as many rows as episodes, and at least one",
        ),
    ],
)
def test_numbers_that_mean_no_row_or_no_action(
    root: Path, tmp_path: Path, arrays: dict[str, Any], message: str
) -> None:
    with pytest.raises(SchemaError, match=message):
        action_errors(said(tmp_path / "said.npz", arrays), root)


def test_an_array_without_a_name_and_a_damaged_archive_are_no_predictions(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "said.npz"
    with path.open("wb") as file:
        np.save(file, np.zeros((4, 3, 3)))
    with pytest.raises(CorruptDataError, match="expected arrays of NumPy, got: File is not a zip file"):
        action_errors(path, root)
    np.savez_compressed(path, **changed(actions=np.random.default_rng(0).random((4, 40, 3))))
    data = bytearray(path.read_bytes())
    begin = data.index(b"actions.npy") + 60
    data[begin : begin + 200] = b"\xff" * 200
    path.write_bytes(data)
    with pytest.raises(CorruptDataError, match="expected arrays of NumPy, got: Error"):
        action_errors(path, root)
    with pytest.raises(SchemaError, match="expected the arrays episode and row, got actions"):
        action_errors(said(tmp_path / "said.parquet", {"actions": np.zeros((1, 3, 3))}), root)
    (tmp_path / "said.parquet").write_bytes(b"PAR1")
    with pytest.raises(CorruptDataError, match=r"said\.parquet"):
        action_errors(tmp_path / "said.parquet", root)

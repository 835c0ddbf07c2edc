"""A training in its folder: what stands there before the first step, on the way, and at the end."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

import lapsdata
from lapsdata.errors import CorruptDataError, LapsError, SchemaError, StorageError
from lapsdata.execution.engine import Terminated
from lapsdata.schema import SourceVideo
from lapsdata.testing.samples import sample_tracks
from lapsmodels.stages import train as train_module
from lapsmodels.stages.train import FINISHED, train_tokenizer
from lapsmodels.stages.train_options import TrainStageOptions
from lapsmodels.tokenizer.checkpoint import load_tokenizer
from lapsmodels.training import run as run_module
from lapsmodels.training.checkpoints import CHECKPOINTS, Checkpoints
from lapsmodels.training.judging import judge
from lapsmodels.training.ranks import Ranks
from lapsmodels.training.source import MotionSource

if TYPE_CHECKING:
    from pathlib import Path

USUAL: dict[str, Any] = {
    "steps": 20, "batch": 4, "points": 5, "threads": 1, "device": "cpu", "log_every": 1, "save_every": 10,
    "picture_every": 0,
}  # fmt: skip


def options(**changes: Any) -> TrainStageOptions:
    return TrainStageOptions(**(USUAL | changes))


def logged(out: Path, kind: str = "step") -> list[dict[str, Any]]:
    return [told for told in map(json.loads, (out / "log.jsonl").read_text().splitlines()) if told["kind"] == kind]


def losses(out: Path) -> list[float]:
    return [step["loss"] for step in logged(out)]


class Stop(KeyboardInterrupt):
    """What ends a program in the middle."""


@pytest.fixture
def stop_after(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what makes the next trainings end after some steps, as a kill would."""
    true = run_module.train
    limit = [0]

    def stopping(*arguments: Any) -> Any:
        for facts in true(*arguments):
            yield facts
            if limit[0] and facts.step == limit[0]:
                raise Stop

    monkeypatch.setattr(run_module, "train", stopping)

    def set_limit(steps: int) -> None:
        limit[0] = steps

    return set_limit


def whole(out: Path) -> dict[str, bytes]:
    """Return what does not say how long it took."""
    return {
        name: (out / name).read_bytes() for name in ("tokenizer.json", "weights.safetensors", FINISHED, "training.json")
    }


@pytest.mark.parametrize("changes", [{}, {"average": 0.9, "val": 0.5}], ids=["plain", "averages, judged"])
def test_twenty_steps_are_ten_and_ten_more(
    files: list[Path], tmp_path: Path, changes: dict[str, Any], stop_after: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    train_tokenizer(files, tmp_path / "whole", options(**changes))
    stop_after(13)
    with pytest.raises(Stop, match=r"^$"):
        train_tokenizer(files, tmp_path / "parts", options(**changes))
    assert "train: run it again: it goes on from step 1" in capsys.readouterr().err
    assert not (tmp_path / "parts" / FINISHED).exists()
    assert not (tmp_path / "parts" / "tokenizer.json").exists()
    stop_after(0)
    torch.manual_seed(99)
    capsys.readouterr()
    output = train_tokenizer(files, tmp_path / "parts", options(**changes, keep=5, log_every=1))
    assert (output.fate, output.why) == ("made", "it was not finished")
    assert "goes on from step 1" in capsys.readouterr().err
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")
    assert len(losses(tmp_path / "whole")) == 20
    epochs = (logged(tmp_path / name, "epoch") for name in ("parts", "whole"))
    assert next(epochs) == next(epochs)
    one, other = whole(tmp_path / "parts"), whole(tmp_path / "whole")
    assert one["weights.safetensors"] == other["weights.safetensors"]
    assert one[FINISHED] == other[FINISHED]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("changes", [{}, {"average": 0.9, "val": 0.5, "keep": 1}], ids=["plain", "averages, judged"])
def test_asked_to_stop_it_leaves_a_state_where_it_is(
    files: list[Path],
    tmp_path: Path,
    changes: dict[str, Any],
    number: signal.Signals,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Regression: what had been learned since the last state that was due was lost."""
    true = run_module.train

    def asked(*arguments: Any) -> Any:
        for facts in true(*arguments):
            if facts.step in (13, 17, 20):
                os.kill(os.getpid(), number)
            yield facts

    def states() -> list[str]:
        return sorted(path.name for path in (tmp_path / "parts" / CHECKPOINTS).glob("step-*"))

    train_tokenizer(files, tmp_path / "whole", options(**changes))
    monkeypatch.setattr(run_module, "train", asked)
    for step in (13, 17):
        with pytest.raises(KeyboardInterrupt, match=r"^$") as stop:
            train_tokenizer(files, tmp_path / "parts", options(**changes))
        assert isinstance(stop.value, Terminated) == (number == signal.SIGTERM)
        assert f"train: run it again: it goes on from step {step}\n" in capsys.readouterr().err
        assert states()[-1] == f"step-{step:08d}"
    # At the last step nothing is left to be done but to say so.
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        train_tokenizer(files, tmp_path / "parts", options(**changes))
    monkeypatch.setattr(run_module, "train", true)
    assert train_tokenizer(files, tmp_path / "parts", options(**changes)).fate == "made"
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")
    # The same states are left, to the byte, as if it had never been stopped.
    for folder in ("whole", "parts"):
        (tmp_path / folder / "log.jsonl").unlink()
    one, other = ({path.relative_to(tmp_path / folder): path.read_bytes() for path in (tmp_path / folder).rglob("*")
                   if path.is_file()} for folder in ("whole", "parts"))  # fmt: skip
    assert one == other


def test_a_first_state_stands_before_the_first_step(files: list[Path], tmp_path: Path, stop_after: Any) -> None:
    stop_after(1)
    with pytest.raises(Stop, match=r"^$"):
        train_tokenizer(files, tmp_path / "new" / "deep" / "out", options())
    out = tmp_path / "new" / "deep" / "out"
    assert [item.name for item in (out / "checkpoints").iterdir() if item.is_dir()] == ["step-00000000"]
    assert load_tokenizer(out / "checkpoints" / "step-00000000").header.trained is None
    told = json.loads((out / "training.json").read_text())
    assert (told["steps"], told["steps_per_epoch"], told["train"], told["val"]) == (20, 4, ["clip_0", "clip_1"], [])


def test_an_unfinished_training_is_no_tokenizer_but_its_states_are(
    files: list[Path], tmp_path: Path, stop_after: Any
) -> None:
    stop_after(13)
    with pytest.raises(Stop, match=r"^$"):
        train_tokenizer(files, tmp_path / "out", options())
    told = r"got a training that is not finished; run its training again.*; or take .*step-00000010 \[unfinished\]"
    with pytest.raises(StorageError, match=told):
        load_tokenizer(tmp_path / "out")
    assert load_tokenizer(tmp_path / "out" / "checkpoints" / "step-00000010").model.config.points == 9


def test_a_logger_that_is_not_there_is_told_before_anything_is_made(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(SchemaError, match="expected wandb, which is asked for, to be installed"):
        train_tokenizer(files, tmp_path / "out", options(log=("wandb",)))
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_told_before_the_first_step(
    files: list[Path], tmp_path: Path, stop_after: Any
) -> None:
    stop_after(1)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StorageError, match=r"a part of the path is not a folder"):
        train_tokenizer(files, tmp_path / "file" / "out", options())


def test_a_state_says_where_it_stands(files: list[Path], tmp_path: Path, stop_after: Any) -> None:
    stop_after(13)
    with pytest.raises(Stop, match=r"^$"):
        train_tokenizer(files, tmp_path / "out", options(schedule="constant"))
    told = json.loads((tmp_path / "out/checkpoints/step-00000010/progress.json").read_text())
    assert (told["step"], told["steps"], told["epoch"], told["rate"]) == (10, 20, 2.5, 1e-3)


@pytest.mark.parametrize("val", [None, 0.5], ids=["judged by none", "judged"])
@pytest.mark.parametrize(
    ("steps", "told"), [(4, r"(step [234]|its judgement)"), (1, "its judgement")], ids=["on the way", "at the end"]
)
def test_a_training_that_diverges_is_an_error(
    files: list[Path], tmp_path: Path, val: float | None, steps: int, told: str
) -> None:
    made = options(steps=steps, rate=1e30, warm_share=0.0, val=val, save_every=1, picture_every=1)
    for _ in range(2):
        with pytest.raises(
            LapsError, match=f"train: expected a loss that is a number, got nan in {told}; a lower rate"
        ):
            train_tokenizer(files, tmp_path / "out", made)
    assert not (tmp_path / "out" / FINISHED).exists()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_leave_no_state(
    files: list[Path], tmp_path: Path, bad: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step may have a loss that is a number, and ruin the weights all the same."""
    true = run_module.train

    def ruining(training: Any, *arguments: Any) -> Any:
        for facts in true(training, *arguments):
            if facts.step == 5:
                training.model.project.weight.data[0, 0] = bad
            yield facts

    monkeypatch.setattr(run_module, "train", ruining)
    with pytest.raises(LapsError, match=r"expected the size of the weights that is a number, got (nan|inf) in step 5"):
        train_tokenizer(files, tmp_path / "out", options(save_every=1, keep=9))
    left = sorted(path.name for path in (tmp_path / "out/checkpoints").glob("step-*"))
    assert left == [f"step-{step:08d}" for step in range(5)]


def test_the_newest_states_stay_and_the_best(files: list[Path], tmp_path: Path) -> None:
    # A rate that ruins the model: what is judged first is the best.
    made = options(save_every=2, keep=2, val=0.5, rate=30.0, schedule="constant", clip=None, warm_share=0.5, steps=12)
    header = train_tokenizer(files, tmp_path / "out", made).content
    there = sorted(item.name for item in (tmp_path / "out/checkpoints").iterdir() if item.is_dir())
    judged = {epoch["step"]: epoch["val"]["loss"] for epoch in logged(tmp_path / "out", "epoch")}
    best = min(judged, key=judged.__getitem__)
    assert best < 10
    assert there == [f"step-{step:08d}" for step in (best, 10, 12)]
    assert header.trained is not None
    assert header.trained.taken_from == best
    assert header.trained.val is not None
    assert header.trained.val.loss == pytest.approx(judged[best])
    state = load_tokenizer(tmp_path / "out/checkpoints" / f"step-{best:08d}").model.state_dict()
    assert all(
        torch.equal(value, state[name]) for name, value in load_tokenizer(tmp_path / "out").model.state_dict().items()
    )
    left = Checkpoints(tmp_path / "out/checkpoints", keep=2).left
    assert left is not None
    assert (left.last, left.best) == ("step-00000012", f"step-{best:08d}")


def test_a_training_that_is_killed_behind_its_last_state_ends_as_any_other(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = options(steps=6, val=0.5, picture_every=4)
    train_tokenizer(files, tmp_path / "whole", made)

    def killed(*_: Any) -> None:
        raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(run_module.TrainingRun, "_chosen", killed)
        with pytest.raises(Stop, match=r"^$"):
            train_tokenizer(files, tmp_path / "parts", made)
    assert not (tmp_path / "parts" / FINISHED).exists()
    train_tokenizer(files, tmp_path / "parts", made)
    assert whole(tmp_path / "parts") == whole(tmp_path / "whole")
    one, other = (sorted(path.name for path in (tmp_path / name / "pictures").iterdir()) for name in ("parts", "whole"))
    assert one == other == ["step-00000004.png", "step-00000006.png"]


def test_none_judge_and_that_is_said(files: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    header = train_tokenizer(files, tmp_path / "out", options(steps=2)).content
    assert "no video judges it (--val none)" in capsys.readouterr().err
    assert header.trained is not None
    assert header.trained.val is None
    assert header.trained.taken_from == 2
    assert all("val" not in epoch for epoch in logged(tmp_path / "out", "epoch"))


def test_videos_are_split_and_never_shared(files: list[Path], tmp_path: Path) -> None:
    train_tokenizer(files, tmp_path / "out", options(steps=2, val=0.5))
    told = json.loads((tmp_path / "out/training.json").read_text())
    assert sorted([*told["train"], *told["val"]]) == ["clip_0", "clip_1"]
    assert len(told["val"]) == 1
    with pytest.raises(SchemaError, match=r"val: expected two videos or more .*--val none"):
        train_tokenizer(files[:1], tmp_path / "one", options(val=0.5))
    with pytest.raises(SchemaError, match=r"expected other videos than .*, got 1 of them: 'clip_1'"):
        train_tokenizer(files, tmp_path / "shared", options(), judged_by=files[1:])
    header = train_tokenizer(files[:1], tmp_path / "apart", options(steps=2), judged_by=files[1:]).content
    assert header.trained is not None
    assert header.trained.val is not None
    assert header.trained.val.windows == header.trained.train.windows == 7
    assert [parent.role for parent in header.provenance.parents] == ["tracks", "val"]


def test_other_reports_change_nothing_and_other_options_begin_anew(files: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert train_tokenizer(files, out, options(steps=2)).fate == "made"
    assert train_tokenizer(files, out, options(steps=2, log_every=5, keep=9, save_every=1)).fate == "kept"
    assert train_tokenizer(files, out, options(steps=3)).fate == "changed"
    assert len(losses(out)) == 3
    assert train_tokenizer(files, out, options(steps=3), force=True).fate == "forced"


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def unfinished(files: list[Path], tmp_path: Path, stop_after: Any) -> Path:
    """Return the folder of a training that was stopped after 13 of 20 steps, with a state of step 10."""
    stop_after(13)
    with pytest.raises(Stop, match=r"^$"):
        train_tokenizer(files, tmp_path / "out", options())
    stop_after(0)
    return tmp_path / "out"


def test_an_unfinished_training_of_other_options_is_left_as_it_is(
    files: list[Path], tmp_path: Path, unfinished: Path
) -> None:
    before = everything(unfinished)
    told = (
        r"out: expected the training that was begun here and is not finished \(its last state: step 10 of 20\), got "
        r"another: batch 4, now 7; steps 20, now 21; to go on, .* as it was begun; or choose another folder, or "
        r"remove .* by --force \[other-training\]"
    )
    with pytest.raises(StorageError, match=told):
        train_tokenizer(files, unfinished, options(steps=21, batch=7, log_every=5))
    assert everything(unfinished) == before
    assert train_tokenizer(files, unfinished, options(log_every=5)).why == "it was not finished"
    train_tokenizer(files, tmp_path / "whole", options())
    assert (unfinished / "weights.safetensors").read_bytes() == (tmp_path / "whole/weights.safetensors").read_bytes()
    # What is finished is made anew, as by every stage.
    assert train_tokenizer(files, unfinished, options(steps=3)).fate == "changed"


def test_force_begins_anew_what_is_not_finished(files: list[Path], unfinished: Path) -> None:
    train_tokenizer(files, unfinished, options(steps=3), force=True)
    assert len(losses(unfinished)) == 3
    assert sorted(path.name for path in unfinished.glob("checkpoints/step-*")) == ["step-00000000", "step-00000003"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("tracks", r"got another: other tracks \(without '[^']+' as before\)"),
        ("judges", r"got another: other tracks \(now with '([^']+)', without '\1' as before\)"),
        ("code", r"got another: other code of lapsmodels"),
        ("record", r"got another: training\.json is damaged, and its options are not known"),
    ],
)
def test_an_unfinished_training_of_other_things_is_left_as_it_is(
    files: list[Path], unfinished: Path, change: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, judged_by = options(), []
    if change == "tracks":
        files = files[:1]
    elif change == "judges":
        files, judged_by = files[:1], files[1:]
    elif change == "code":
        monkeypatch.setattr(train_module, "code_digest", lambda package: "sha256:" + 64 * "0")
    else:
        data = (unfinished / "training.json").read_bytes()
        (unfinished / "training.json").write_bytes(data.replace(b'"steps":20', b'"steps":21'))
        made = options(steps=21)
    before = everything(unfinished)
    with pytest.raises(StorageError, match=told):
        train_tokenizer(files, unfinished, made, judged_by=judged_by)
    assert everything(unfinished) == before


@pytest.mark.parametrize("spoil", [lambda data: b"", lambda data: data[:20], lambda data: data.replace(b"1", b"2")],
                         ids=["empty", "cut short", "changed"])  # fmt: skip
def test_a_damaged_mark_of_the_end_is_none(files: list[Path], tmp_path: Path, spoil: Any) -> None:
    out = tmp_path / "out"
    train_tokenizer(files, out, options(steps=4))
    before = everything(out)
    (out / FINISHED).write_bytes(spoil(before[FINISHED]))
    with pytest.raises(StorageError, match=r"its last state: step 4 of 4.* got another: steps 4, now 5"):
        train_tokenizer(files, out, options(steps=5))
    output = train_tokenizer(files, out, options(steps=4))
    assert output.fate == "damaged"
    assert FINISHED in output.why
    assert everything(out) == before


def test_two_trainings_into_one_folder_are_kept_apart(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one is refused, whatever it wants; the first one never knows."""
    out, true, refused = tmp_path / "out", run_module.train, []
    told = r"out: expected a folder that nobody else writes to, got one that a run is writing to now; .* \[in-use\]"

    def meeting_another(*arguments: Any) -> Any:
        for facts in true(*arguments):
            if facts.step in (1, 12):
                for changes, force in (({}, False), ({"steps": 3}, False), ({"steps": 3}, True)):
                    before = everything(out)
                    with pytest.raises(StorageError, match=told):
                        train_tokenizer(files, out, options(**changes), force=force)
                    assert everything(out) == before
                    refused.append(facts.step)
            yield facts

    monkeypatch.setattr(run_module, "train", meeting_another)
    train_tokenizer(files, out, options())
    assert refused == [1, 1, 1, 12, 12, 12]
    monkeypatch.setattr(run_module, "train", true)
    train_tokenizer(files, tmp_path / "alone", options())
    assert whole(out) == whole(tmp_path / "alone")
    assert losses(out) == losses(tmp_path / "alone")


def test_a_folder_is_free_again_after_any_end(files: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    holding = (
        "import pathlib, sys, time\nfrom lapsdata.storage.folder_lock import locked_folder\n"
        "with locked_folder(pathlib.Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(600)"
    )
    out.mkdir()
    with subprocess.Popen([sys.executable, "-c", holding, out], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(StorageError, match=r"a run is writing to now; name another folder.*\[in-use\]"):
            train_tokenizer(files, out, options(steps=2))
        assert list(out.iterdir()) == []
        child.kill()
    with pytest.raises(SchemaError, match="which none has"):
        train_tokenizer(files, out, options(steps=2, train_only=("nothing",)))
    assert train_tokenizer(files, out, options(steps=2)).fate == "made"
    assert sorted(path.name for path in out.iterdir()) == [
        "checkpoints", FINISHED, "log.jsonl", "tokenizer.json", "training.json", "weights.safetensors",
    ]  # fmt: skip


def test_an_end_before_its_time_is_an_error_and_marks_nothing(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = run_module.train
    monkeypatch.setattr(run_module, "train", lambda *given: itertools.islice(true(*given), 6))
    with pytest.raises(LapsError, match=r"expected 20 steps, got 6; run it again: it goes on from its last state"):
        train_tokenizer(files, tmp_path / "out", options())
    assert not (tmp_path / "out" / FINISHED).exists()


def test_a_damaged_state_is_told(files: list[Path], tmp_path: Path, stop_after: Any) -> None:
    stop_after(13)
    with pytest.raises(Stop, match=r"^$"):
        train_tokenizer(files, tmp_path / "out", options())
    state = tmp_path / "out/checkpoints/step-00000010/state.safetensors"
    data = bytearray(state.read_bytes())
    data[len(data) // 2] ^= 1
    state.write_bytes(data)
    with pytest.raises(CorruptDataError, match=r"it is not what was written; copy .* again, or train anew: --force"):
        train_tokenizer(files, tmp_path / "out", options())
    stop_after(0)
    assert train_tokenizer(files, tmp_path / "out", options(steps=2), force=True).content.trained is not None


def test_files_of_others_in_the_folder_stay(files: list[Path], tmp_path: Path) -> None:
    train_tokenizer(files, tmp_path / "out", options(steps=2))
    (tmp_path / "out" / "notes.txt").write_text("mine")
    train_tokenizer(files, tmp_path / "out", options(steps=3))
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "notes.txt").write_text("mine")
    with pytest.raises(StorageError, match="it is left as it is"):
        train_tokenizer(files, tmp_path / "theirs", options(steps=2))


def test_pictures_show_true_and_reconstructed_tracks(files: list[Path], tmp_path: Path) -> None:
    import cv2

    train_tokenizer(files, tmp_path / "out", options(steps=5, picture_every=2))
    names = sorted(item.name for item in (tmp_path / "out/pictures").iterdir())
    assert names == ["step-00000002.png", "step-00000004.png", "step-00000005.png"]
    picture = cv2.imread(str(tmp_path / "out/pictures" / names[-1]))
    assert picture is not None
    assert picture.shape[1] > 900
    assert np.unique(picture.reshape(-1, 3), axis=0).shape[0] > 20


def test_each_epoch_is_told(files: list[Path], tmp_path: Path) -> None:
    header = train_tokenizer(files, tmp_path / "out", options(epochs=3, steps=None, val=0.5)).content
    told = logged(tmp_path / "out", "epoch")
    assert [epoch["epoch"] for epoch in told] == [1.0, 2.0, 3.0]
    for epoch in told:
        for part in ("train", "val"):
            book = epoch[part]["codebook"]
            assert book["codes"] == 240
            assert book["used"] + book["dead"] == 240
            assert 2 ** book["entropy_bits"] == pytest.approx(book["perplexity"])
            assert epoch[part]["windows"] == 7
            assert 0 <= epoch[part]["accuracy"] <= 1
            assert 0 <= epoch[part]["classes"]["centre_share"] <= 1
        assert epoch["val"]["delta_auc"] is not None
    assert header.trained is not None
    assert header.trained.epochs == 3
    step = logged(tmp_path / "out")[-1]
    assert {"epoch", "loss", "rate", "gradient_norm", "windows_per_s", "wait_share"} <= step.keys()


def test_each_epoch_says_how_near_paths_come_though_none_judge(
    files: list[Path], tmp_path: Path, stop_after: Any
) -> None:
    made = options(epochs=3, steps=None, save_every=4, keep=9)
    train_tokenizer(files, tmp_path / "whole", made)
    told = logged(tmp_path / "whole", "epoch")
    assert len(told) == 3
    source = MotionSource(lapsdata.open_windows(files))
    for epoch in told:
        assert epoch["sample"]["of"] == "14 of 14 windows that are learned from, spread over all"
        # The state of the end of the epoch says the same of all windows.
        model = load_tokenizer(tmp_path / f"whole/checkpoints/step-{epoch['step']:08d}").model
        again = judge(model, source, made, Ranks(0, 1, torch.device("cpu")))
        assert epoch["sample"]["delta_auc"] == again.delta_auc is not None
        assert epoch["sample"]["normalized_accuracy"] == again.normalized_accuracy is not None
    assert len({epoch["sample"]["delta_auc"] for epoch in told}) == 3
    # The last one is of the weights that are taken.
    assert (
        told[-1]["sample"]["delta_auc"] == json.loads((tmp_path / "whole" / FINISHED).read_text())["train"]["delta_auc"]
    )
    stop_after(7)
    with pytest.raises(Stop, match=r"^$"):
        train_tokenizer(files, tmp_path / "parts", made)
    stop_after(0)
    train_tokenizer(files, tmp_path / "parts", made)
    assert logged(tmp_path / "parts", "epoch") == told


def test_a_sample_is_some_of_many_windows_and_those_of_an_epoch_that_is_not_judged(
    files: list[Path], tmp_path: Path
) -> None:
    many = sample_tracks(windows=150, horizon=5, points=9, video=SourceVideo(name="many"))
    lapsdata.write(tmp_path / "many.zarr", many)
    train_tokenizer([tmp_path / "many.zarr"], tmp_path / "out", options(steps=1, batch=150))
    (told,) = logged(tmp_path / "out", "epoch")
    assert told["sample"]["of"] == "64 of 150 windows that are learned from, spread over all"
    assert told["sample"]["windows"] == 64
    train_tokenizer(files, tmp_path / "judged", options(epochs=3, steps=None, val=0.5, judge_every=3))
    told = logged(tmp_path / "judged", "epoch")
    assert [("val" in epoch, "sample" in epoch) for epoch in told] == [(False, True), (False, True), (True, False)]


def test_a_sample_changes_no_bit_of_the_training(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = options(epochs=3, steps=None, average=0.9)
    torch.manual_seed(5)
    train_tokenizer(files, tmp_path / "with", made)
    after = torch.get_rng_state()
    nothing = judge(load_tokenizer(tmp_path / "with").model, MotionSource(lapsdata.open_windows(files)), made,
                    Ranks(0, 1, torch.device("cpu")))  # fmt: skip
    monkeypatch.setattr(run_module, "judge", lambda *given: nothing)
    torch.manual_seed(5)
    train_tokenizer(files, tmp_path / "without", made)
    assert torch.equal(torch.get_rng_state(), after)
    assert losses(tmp_path / "with") == losses(tmp_path / "without")
    assert whole(tmp_path / "with") == whole(tmp_path / "without")


def test_a_collapsed_codebook_is_told_once_on_the_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from dataclasses import replace

    still = sample_tracks(windows=8, horizon=5, points=9, video=SourceVideo(name="still"))
    xy, seen = np.full((8, 5, 9, 2), 20, np.float32), np.ones((8, 5, 9), bool)
    lapsdata.write(tmp_path / "still.zarr", replace(still, tracks={"default": xy}, vis={"default": seen}))
    header = train_tokenizer([tmp_path / "still.zarr"], tmp_path / "out", options(steps=8)).content
    told = capsys.readouterr().err
    assert told.count("got a collapsed codebook") == 1
    assert "epoch 1: expected codes that tell motions apart" in told
    assert header.trained is not None
    assert header.trained.train.collapsed
    assert header.config.scale == 1


def test_shards_and_several_views_are_learned_from(tmp_path: Path) -> None:
    from lapsdata.formats.shards_webdataset import ShardsWriter
    from lapsdata.testing.samples import sample_provenance

    clips = [sample_tracks(windows=6, horizon=5, points=9, views=("left", "right"), seed=seed,
                           video=SourceVideo(name=f"clip_{seed}")) for seed in (0, 1)]  # fmt: skip
    with ShardsWriter(tmp_path / "all.shards") as out:
        for clip in clips:
            out.add(clip)
        out.finish(sample_provenance())
    for clip in clips:
        lapsdata.write(tmp_path / f"{clip.header.video.name}.h5", clip)
    files = sorted(tmp_path.glob("*.h5"))
    train_tokenizer([tmp_path / "all.shards"], tmp_path / "a", options(steps=3))
    header = train_tokenizer(files, tmp_path / "b", options(steps=3)).content
    assert header.views == ("left", "right")
    assert losses(tmp_path / "a") == losses(tmp_path / "b")

"""The log of a training: lines that are there at once, and stand there once."""

from __future__ import annotations

import json
import sys
import types
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata.errors import CorruptDataError, SchemaError, StorageError
from lapsdata.report.png import write_png
from lapsmodels.training.journal import LOG, Journal, require_loggers

if TYPE_CHECKING:
    from pathlib import Path


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / LOG).read_text().splitlines()]


def test_lines_are_there_at_once(tmp_path: Path) -> None:
    with Journal(tmp_path, 0, (), {}) as journal:
        journal.tell("step", 1, {"loss": 5.0})
        assert lines(tmp_path) == [{"kind": "step", "step": 1, "loss": 5.0}]
        journal.tell("epoch", 1, {"train": {"loss": 5.0}})
    assert [line["kind"] for line in lines(tmp_path)] == ["step", "epoch"]


def test_what_goes_on_takes_back_what_lies_behind(tmp_path: Path) -> None:
    with Journal(tmp_path, 0, (), {}) as journal:
        for step in range(1, 6):
            journal.tell("step", step, {"loss": step})
    with (tmp_path / LOG).open("a") as file:
        file.write('{"kind": "step", "st')  # cut short by a kill
    with Journal(tmp_path, 3, (), {}) as journal:
        journal.tell("step", 4, {"loss": 40})
    assert [(line["step"], line["loss"]) for line in lines(tmp_path)] == [(1, 1), (2, 2), (3, 3), (4, 40)]


def test_a_damaged_line_is_told(tmp_path: Path) -> None:
    (tmp_path / LOG).write_text('{"step": 1}\nnonsense\n{"step": 2}\n')
    with pytest.raises(CorruptDataError, match=r"log.jsonl: line 2: expected a line of JSON"):
        Journal(tmp_path, 2, (), {})


def test_another_process_tells_nothing(tmp_path: Path) -> None:
    with Journal(None, 0, (), {}) as journal:
        journal.tell("step", 1, {"loss": 5.0})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot write: no such file or folder"), Journal(tmp_path / "no", 0, (), {}):
        pass


@pytest.mark.parametrize("name", ["tensorboard", "wandb"])
def test_a_logger_that_is_not_installed_names_the_extra(
    name: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    monkeypatch.setitem(sys.modules, "wandb", None)
    told = rf"expected {name}, which is asked for, .*pip install 'lapsdata\[log\]'"
    with pytest.raises(SchemaError, match=told):
        Journal(tmp_path, 0, (name,), {})
    with pytest.raises(SchemaError, match=told):
        require_loggers((name,))
    require_loggers(())


class Told:
    """What stands for a logger: every call with its arguments."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any, **named: Any) -> Told:
            self.calls.append((name, arguments, named))
            return self

        return call


def tell_all(journal: Journal, folder: Path) -> None:
    write_png(folder / "step.png", np.full((4, 6, 3), (250, 10, 20), np.uint8))
    journal.tell("epoch", 7, {"epoch": 1.0, "train": {"loss": 2.5, "delta_auc": None, "ok": True}, "name": "a"})
    journal.picture(7, folder / "step.png")


def test_tensorboard_gets_numbers_and_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told()
    module = types.ModuleType("tensorboard")
    module.SummaryWriter = lambda folder: told.opened(folder)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    with Journal(tmp_path, 0, ("tensorboard",), {"steps": 9}) as journal:
        tell_all(journal, tmp_path)
    assert told.calls[0] == ("opened", (str(tmp_path / "tensorboard"),), {})
    assert [arguments for name, arguments, _ in told.calls if name == "add_scalar"] == [
        ("epoch/epoch", 1.0, 7), ("epoch/train/loss", 2.5, 7),
    ]  # fmt: skip
    (image,) = (arguments for name, arguments, _ in told.calls if name == "add_image")
    assert image[1][0, 0].tolist() == [250, 10, 20]
    assert told.calls[-1][0] == "close"


@pytest.mark.parametrize(("key", "mode"), [(None, "offline"), ("secret", None)])
def test_wandb_without_a_login_writes_for_later_and_says_so_once(
    key: Any, mode: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("WANDB_MODE", raising=False)
    told = Told()
    module = types.ModuleType("wandb")
    module.api, module.init, module.Image = types.SimpleNamespace(api_key=key), told.init, str  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", module)
    with Journal(tmp_path, 0, ("wandb",), {"steps": 9}) as journal:
        tell_all(journal, tmp_path)
    (name, _, named), *rest = told.calls
    assert (name, named["mode"], named["config"]) == ("init", mode, {"steps": 9})
    assert rest[0] == ("log", ({"epoch/epoch": 1.0, "epoch/train/loss": 2.5},), {"step": 7})
    assert rest[-1][0] == "finish"
    assert capsys.readouterr().err.count("nobody is logged in") == (0 if key else 1)

"""`lapsdata evaluate`: hands over to what scores the task that is named; each has options of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.core

from lapsdata.plugins import registry
from lapsdata.verbs import command_of

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PLUGIN"]

_OPTION, _DEFAULT = "--task", "segments"


class _ByTask(typer.core.TyperGroup):
    """A verb that is another one for each task, with one name: its help is that of the task."""

    # Of typer's own click, whose types have no public name.
    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:  # noqa: ANN401
        command = command_of(registry("tasks").load(_named(args)), self.rich_markup_mode)
        option = command_of(_option, self.rich_markup_mode).params[0]
        # What it says has been followed already: it is there for the help and for the parser.
        option.expose_value = False
        command.params.insert(0, option)
        return command.make_context(info_name, args, parent=parent, **extra)


def _named(args: Sequence[str]) -> str:
    """Return the task that the words name, the last one where there are several, as of any option."""
    task = _DEFAULT
    for at, word in enumerate(args):
        if word == "--":
            break
        if word == _OPTION and at + 1 < len(args):
            task = args[at + 1]
        elif word.startswith(f"{_OPTION}="):
            task = word.partition("=")[2]
    return task


def _option(
    task: Annotated[
        str,
        typer.Option(
            _OPTION,
            metavar="NAME",
            help=f"What is scored: {', '.join(registry('tasks').names())}. With --help: the options of that.",
        ),
    ] = _DEFAULT,
) -> None:
    """Have an option that stands before those of a task."""


PLUGIN = typer.Typer(cls=_ByTask, help="Score segments and more beside chance.", add_completion=False)


@PLUGIN.callback()
def _evaluate() -> None:
    """Score what was found, beside rows that have seen nothing of it."""

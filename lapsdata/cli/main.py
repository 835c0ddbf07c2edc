"""The command `lapsdata` itself: finds the verbs, shows them in four groups, and reports what goes wrong.

Our own verbs are imported for their one-line summary, so their files import nothing heavy before they run. A
verb of another distribution is imported only when it is called.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, Protocol

import typer
import typer.core
import typer.main

from lapsdata import __version__, console
from lapsdata.errors import LapsError
from lapsdata.execution.stop_requests import interrupts_between_imports
from lapsdata.plugins import PluginEntry, registry
from lapsdata.verbs import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

__all__ = ["GROUPS", "application", "main"]

# The closed list of our verbs, in the order of --help; only those that exist are shown.
GROUPS: dict[str, tuple[str, ...]] = {
    "Pipeline": (
        *("run", "track", "train", "encode", "energies"),
        *("threshold", "segment", "stream", "cluster", "demo"),
    ),
    "Data": ("convert", "inspect", "check", "repair", "bench"),
    "Scores": ("evaluate", "compare", "report", "overlay"),
    "Set-up": ("recipe", "doctor", "schema", "plugins"),
}
# A line of plain help is 80 characters: two columns with their gaps leave this much to a summary.
_SUMMARY = 64
_OUTSIDE = "From other distributions"


class _Formatter(Protocol):
    """The part of click's help formatter that is used here; typer's own copy of click has no public name."""

    def section(self, name: str) -> AbstractContextManager[None]: ...
    def write_dl(self, rows: list[tuple[str, str]]) -> None: ...


class _Verbs(typer.core.TyperGroup):
    """Plain help in the same groups that rich draws as panels, and one order for both."""

    def list_commands(self, ctx: object) -> list[str]:
        order = [name for names in GROUPS.values() for name in names]
        return sorted(self.commands, key=lambda name: (order.index(name) if name in order else len(order), name))

    def format_commands(self, ctx: object, formatter: _Formatter) -> None:
        rows: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            summary = self.commands[name].get_short_help_str(_SUMMARY)
            rows.setdefault(_group(name), []).append((name, summary))
        for group, verbs in rows.items():
            with formatter.section(group):
                formatter.write_dl(verbs)


def main() -> None:
    """Run the command line and leave the process: 0 well, 1 problems, 2 wrong usage.

    Examples
    --------
    >>> main()  # doctest: +SKIP
    """
    console.prepare()
    settings = Settings()
    try:
        try:
            with interrupts_between_imports():
                _run(settings)
        finally:
            console.flush()
    except console.OutputRefusedError as error:
        console.report(error.problems)
        sys.exit(console.ExitCode.PROBLEMS)
    except BrokenPipeError:  # whoever read our output has seen enough
        sys.exit(console.ExitCode.PROBLEMS)


def _run(settings: Settings) -> None:
    """Run the verb that the arguments name, and tell what it raises."""
    try:
        try:
            if sys.argv[1:] in (["doctor"], ["doctor", "--json"]):
                _doctor(json="--json" in sys.argv)
            typer.main.get_command(application())(prog_name="lapsdata", obj=settings)
        except BrokenPipeError:
            raise
        except OSError as error:  # from help, which is not printed by us, or from a verb of another distribution
            from lapsdata.storage.atomic import storage_errors

            console.flush()  # where it is standard output that takes no more, that is told, and once
            with storage_errors(Path(str(error.filename or "lapsdata")), "go on"):
                raise
    except console.OutputRefusedError:
        raise
    except LapsError as error:
        if settings.traceback:
            raise
        if settings.json:
            console.write_json({}, error.problems)
        else:
            console.report(error.problems)
        sys.exit(console.ExitCode.PROBLEMS)


def _doctor(*, json: bool) -> NoReturn:
    """Run the doctor without typer, which reads arguments through pydantic: that may be what is broken."""
    from lapsdata.cli.doctor import doctor

    if json:
        console.keep_warnings()
    try:
        doctor(json=json)
    except typer.Exit as end:
        sys.exit(end.exit_code)
    sys.exit(console.ExitCode.OK)


def application() -> typer.Typer:
    """Return the typer app with every verb in it.

    Examples
    --------
    >>> application().info.no_args_is_help
    True
    """
    app = typer.Typer(
        cls=_Verbs,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode="rich" if sys.stdout.isatty() else None,
    )
    app.callback()(_lapsdata)
    for entry in registry("commands").entries():
        if entry.distribution == "lapsdata" and entry.status != "clash":
            _add(app, entry.name, registry("commands").load(entry.name))
        else:
            _add_outside(app, entry)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        console.write(f"lapsdata {__version__}")
        raise typer.Exit


def _lapsdata(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
    traceback: Annotated[
        bool,
        typer.Option("--traceback", envvar="LAPSDATA_TRACEBACK", help="Show where in the code a problem was found."),
    ] = False,
) -> None:
    """Typed, checked, time-correct motion data from video, robot and tracking data sets."""
    context.ensure_object(Settings).traceback = traceback


def _group(name: str) -> str:
    return next((group for group, names in GROUPS.items() if name in names), _OUTSIDE)


def _add(app: typer.Typer, name: str, verb: typer.Typer | Callable[..., Any]) -> None:
    if isinstance(verb, typer.Typer):
        verb.rich_markup_mode = app.rich_markup_mode
        app.add_typer(verb, name=name, rich_help_panel=_group(name))
    else:
        app.command(name, rich_help_panel=_group(name))(verb)


def _add_outside(app: typer.Typer, entry: PluginEntry) -> None:
    """Add a verb whose arguments, `--help` included, are read by the plug-in itself once it is called."""
    summary = f"From {entry.distribution} {entry.version}."
    if entry.status == "clash":
        summary = "Claimed by several distributions: see `lapsdata plugins`."

    def forward(context: typer.Context) -> None:
        verb = registry("commands").load(entry.name)
        if not isinstance(verb, typer.Typer):
            function, verb = verb, typer.Typer(add_completion=False)
            verb.command(entry.name)(function)
        verb.rich_markup_mode = app.rich_markup_mode
        typer.main.get_command(verb)(context.args, prog_name=context.command_path, obj=context.obj)

    passing = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
    app.command(entry.name, help=summary, rich_help_panel=_group(entry.name), context_settings=passing)(forward)

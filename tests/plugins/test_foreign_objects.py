"""What other distributions register may be anything: it is named as broken, and harms nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from lapsdata import formats
from lapsdata.errors import LapsWarning, PluginError, UnknownFormatError
from lapsdata.formats import segments_parquet
from lapsdata.plugins import Registry, registry
from lapsdata.testing.samples import sample_segments

Lay = Callable[..., Path]
Run = Callable[..., subprocess.CompletedProcess[str]]

OPTIONAL = {"writer", "read_header", "index"}
FORMAT = set(vars(segments_parquet.PLUGIN)) - OPTIONAL

READ_AND_WRITE = """
import sys
import lapsdata
from lapsdata.testing.samples import sample_segments
lapsdata.write(sys.argv[1], sample_segments())
assert lapsdata.read(sys.argv[1]).equals(sample_segments())
"""


def entry(name: str, target: str = "laps_odd:PLUGIN") -> str:
    return f"[lapsdata.formats]\n{name} = {target}\n"


# The object that was registered, and what the warning says of it.
ODD = {
    "a number": ("PLUGIN = 42", "cannot be used: name: expected str, got nothing, record: expected str, got nothing"),
    "nothing": ("PLUGIN = None", "cannot be used: name: expected str, got nothing"),
    "an exit": ("import sys; sys.exit('bye')", "cannot be imported: SystemExit: bye"),
    "a silent exit": ("raise SystemExit", "cannot be imported: SystemExit;"),
    "an error": ("1 / 0", "cannot be imported: ZeroDivisionError: division by zero"),
    "other code": ("def", "cannot be imported: SyntaxError: "),
    "endless": ("def f(): f()\nf()", "cannot be imported: RecursionError: "),
    "a class": ("from lapsdata.formats import Format as PLUGIN", "cannot be used: name: expected str, got nothing"),
    "another name": (
        "from lapsdata.formats.boxes_parquet import PLUGIN",
        "cannot be used: name: expected 'odd_text', got 'boxes_parquet'",
    ),
    "no list of endings": (
        "import dataclasses\nfrom lapsdata.formats.boxes_parquet import PLUGIN as ours\n"
        "PLUGIN = dataclasses.replace(ours, name='odd_text', suffixes='.txt', read=None)",
        "cannot be used: suffixes: expected tuple, got str, read: expected Callable, got NoneType;",
    ),
    "an attribute that fails": (
        "class Odd:\n    def __getattr__(self, name): raise OSError('no disk')\nPLUGIN = Odd()",
        "cannot be imported: OSError: no disk",
    ),
}


@pytest.mark.parametrize("what", ODD)
def test_an_odd_object_is_a_named_warning_and_the_rest_works(
    what: str, lay: Lay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, told = ODD[what]
    site = lay("laps-odd", "1", entry("odd_text"), laps_odd=source)
    target = tmp_path / "clips.parquet"
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-c", READ_AND_WRITE, str(target)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"LapsWarning: lapsdata.formats: odd_text: laps-odd 1 (laps_odd:PLUGIN) {told}" in done.stderr
    assert "repair it or `pip uninstall laps-odd` [broken-plugin]" in done.stderr


@pytest.mark.parametrize("what", ["a number", "an exit"])
def test_the_list_calls_it_broken(what: str, lay: Lay, run: Run) -> None:
    source, told = ODD[what]
    done = run("plugins", "--json", site=lay("laps-odd", "1", entry("odd_text"), laps_odd=source))
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    (found,) = [item for item in document["plugins"] if item["name"] == "odd_text"]
    assert found["status"] == "broken"
    assert told.split(": ", 1)[1] in found["reason"]
    assert [problem["severity"] for problem in document["problems"]] == ["warning"]


@pytest.mark.parametrize("target", ["laps odd", "laps_odd:", "a:b:c", "", "???"])
def test_an_entry_that_names_no_object_is_broken_and_not_fatal(target: str, lay: Lay, run: Run) -> None:
    site = lay("laps-odd", "1", entry("odd_text", target) + f"\n[lapsdata.commands]\nodd = {target}\n")
    assert run("--help", site=site).returncode == 0
    done = run("plugins", site=site)
    assert done.returncode == 0, done.stderr
    assert f"cannot be used: expected an entry point 'module:name', got '{target}'" in done.stderr.replace("\n", " ")
    assert ["formats", "odd_text", "laps-odd", "1", "broken"] in [line.split() for line in done.stdout.splitlines()]


def test_a_verb_that_cannot_be_called_is_refused_when_it_is_called(lay: Lay, run: Run) -> None:
    site = lay("laps-odd", "1", "[lapsdata.commands]\nodd = laps_odd:PLUGIN\n", laps_odd="PLUGIN = 42")
    done = run("odd", site=site)
    assert done.returncode == 1
    assert done.stderr.startswith("error: lapsdata.commands: odd: laps-odd 1 (laps_odd:PLUGIN) cannot be used: ")
    assert "__call__: expected Callable, got nothing" in done.stderr


def test_it_is_an_error_for_who_asks_for_it_by_name(lay: Lay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(lay("laps-odd", "1", entry("odd_text"), laps_odd="PLUGIN = 42")))
    registry("formats").refresh()
    try:
        for _ in range(2):
            with pytest.raises(PluginError, match=r"odd_text: laps-odd 1 .* cannot be used: name: expected str"):
                registry("formats").load("odd_text")
        with pytest.warns(LapsWarning, match="odd_text: laps-odd 1 .* cannot be used"):
            assert "odd_text" not in registry("formats").load_all()
    finally:
        monkeypatch.undo()
        registry("formats").refresh()


def test_an_interrupted_import_is_still_an_interruption(lay: Lay, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "raise KeyboardInterrupt('stop')"
    monkeypatch.syspath_prepend(str(lay("laps-odd", "1", entry("interrupted", "laps_stop:PLUGIN"), laps_stop=source)))
    found = Registry[object]("formats")
    with pytest.raises(KeyboardInterrupt, match="stop"):
        found.load("interrupted")
    (known,) = found.entries()
    assert known.status == "not-loaded"


@pytest.mark.parametrize("lost", sorted(FORMAT))
def test_every_attribute_of_a_format_is_required(lost: str, lay: Lay, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in with all of them is taken: what counts is what it can do."""
    module = f"laps_without_{lost}"
    source = f"from lapsdata.formats.segments_parquet import PLUGIN as ours\nfrom types import SimpleNamespace\n\
PLUGIN = SimpleNamespace(**vars(ours))\nPLUGIN.name = 'whole'\nWITHOUT = SimpleNamespace(**vars(PLUGIN))\n\
WITHOUT.name = 'without'\ndel WITHOUT.{lost}\n"
    points = f"[lapsdata.formats]\nwhole = {module}:PLUGIN\nwithout = {module}:WITHOUT\n"
    monkeypatch.syspath_prepend(str(lay("laps-odd", "1", points, **{module: source})))
    found = registry("formats")
    found.refresh()
    try:
        assert isinstance(found.load("whole"), SimpleNamespace)
        with pytest.raises(PluginError, match=rf"without: .* cannot be used: {lost}: expected \w+, got nothing;"):
            found.load("without")
    finally:
        monkeypatch.undo()
        found.refresh()


def test_a_stand_in_without_what_is_optional_reads_its_header_too(
    lay: Lay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "from lapsdata.formats.segments_parquet import PLUGIN as ours\nfrom types import SimpleNamespace\n\
PLUGIN = SimpleNamespace(**vars(ours))\nPLUGIN.name = 'plain'\nPLUGIN.suffixes = ('.plain',)\n\
PLUGIN.recognises = lambda path: path.suffix == '.plain'\ndel PLUGIN.writer, PLUGIN.read_header\n"
    points = "[lapsdata.formats]\nplain = laps_plain:PLUGIN\n"
    monkeypatch.syspath_prepend(str(lay("laps-odd", "1", points, laps_plain=source)))
    registry("formats").refresh()
    try:
        segments, target = sample_segments(), tmp_path / "clips.plain"
        formats.write(target, segments, format="plain")
        target.rename(tmp_path / "only.plain")
        assert formats.read_header(tmp_path / "only.plain", format="plain") == segments.header
        with pytest.raises(UnknownFormatError, match=r"expected a format that takes windows one by one .*, got plain"):
            formats.tracks_writer(target, views={"default": 1}, windows=1, horizon=2, format="plain")
    finally:
        monkeypatch.undo()
        registry("formats").refresh()

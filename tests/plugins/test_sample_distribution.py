"""Another distribution, built into a wheel and installed: what the command line makes of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Lay = Callable[..., Path]
    Run = Callable[..., subprocess.CompletedProcess[str]]


RIVAL = "[lapsdata.formats]\nsegments_text = laps_rival:PLUGIN\n"
BROKEN = "[lapsdata.checks]\ntorn = laps_torn:PLUGIN\n"
TAKEN = "[lapsdata.commands]\nplugins = laps_taker:PLUGIN\n"


def test_help_shows_the_verb_of_another_distribution_without_importing_it(
    sample_site: Path, run: Run, tmp_path: Path
) -> None:
    done = run("--help", site=sample_site, mark=tmp_path / "mark")
    assert done.returncode == 0, done.stderr
    assert "From other distributions:\n  greet  From laps-sample 1.2.\n" in done.stdout
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("arguments", [("schema", "--help"), ("plugins", "--help"), ("--version",)])
def test_no_help_imports_a_plug_in(sample_site: Path, run: Run, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert run(*arguments, site=sample_site, mark=tmp_path / "mark").returncode == 0
    assert not (tmp_path / "mark").exists()


def test_the_verb_is_imported_when_it_is_called(sample_site: Path, run: Run, tmp_path: Path) -> None:
    done = run("greet", "--loud", "Ada", site=sample_site, mark=tmp_path / "mark")
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello ADA\n", "")
    assert (tmp_path / "mark").exists()


def test_the_verb_has_its_own_help_and_usage_errors(sample_site: Path, run: Run) -> None:
    helped = run("greet", "--help", site=sample_site)
    assert helped.returncode == 0
    assert "Usage: lapsdata greet [OPTIONS] " in helped.stdout
    assert "In capitals." in helped.stdout
    wrong = run("greet", "Ada", "--quiet", site=sample_site)
    assert wrong.returncode == 2
    assert "--quiet" in wrong.stderr


def test_its_errors_are_told_like_ours(sample_site: Path, run: Run) -> None:
    done = run("greet", "", site=sample_site)
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        "error: name: expected a name, got '' [empty]\n",
    )


def test_the_list_of_plug_ins_shows_where_each_comes_from(sample_site: Path, run: Run) -> None:
    done = run("plugins", site=sample_site)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    for kind, name in [("formats", "segments_text"), ("checks", "sample_rules"), ("commands", "greet")]:
        assert [kind, name, "laps-sample", "1.2", "ok"] in rows
    assert ["commands", "plugins", "lapsdata"] in [row[:3] for row in rows]
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_the_list_of_plug_ins_as_json(sample_site: Path, run: Run) -> None:
    done = run("plugins", "--json", site=sample_site)
    document = json.loads(done.stdout)
    assert document["problems"] == []
    assert {
        "kind": "formats",
        "name": "segments_text",
        "distribution": "laps-sample",
        "version": "1.2",
        "module": "laps_sample.segments_text",
        "status": "ok",
        "reason": None,
    } in document["plugins"]


ROUND_TRIP = """
import sys
from dataclasses import replace
import lapsdata
from lapsdata.testing.samples import sample_segments

full = sample_segments()
header = full.header.model_copy(update={"embedding": None})
plain = replace(full, header=header, score=None, codes=None, embedding=None)
report = lapsdata.write(sys.argv[1], plain)
assert report.format == "segments_text", report
assert lapsdata.recognise(sys.argv[1]).name == "segments_text"
assert lapsdata.read(sys.argv[1]).equals(plain)
"""


def test_the_format_writes_is_recognised_reads_and_inspects_like_ours(
    sample_site: Path, run: Run, tmp_path: Path
) -> None:
    target = tmp_path / "clips.segments"
    environment = {**os.environ, "PYTHONPATH": str(sample_site)}
    subprocess.run([sys.executable, "-c", ROUND_TRIP, str(target)], env=environment, check=True)
    shown = run("inspect", str(target), site=sample_site)
    assert shown.returncode == 0, shown.stderr
    assert re.search(r"^format +segments_text 1\.0", shown.stdout, re.MULTILINE)
    unknown = run("inspect", str(target), site=tmp_path)
    assert unknown.returncode == 1
    assert unknown.stderr.startswith(f"error: {target}: expected a video, got text that begins with ")
    assert "none of our formats knows it (boxes_parquet, " in unknown.stderr


def test_a_broken_plug_in_is_a_named_warning_of_the_list(run: Run, lay: Lay) -> None:
    site = lay("laps-torn", "3", BROKEN, laps_torn="raise OSError('no such camera')")
    done = run("plugins", site=site)
    assert done.returncode == 0
    assert ["checks", "torn", "laps-torn", "3", "broken"] in [line.split() for line in done.stdout.splitlines()]
    assert done.stderr.startswith("warning: lapsdata.checks: torn: laps-torn 3 (laps_torn:PLUGIN) cannot be")
    assert "OSError: no such camera" in done.stderr


def test_two_plug_ins_of_one_name_are_an_error_of_the_list(sample_site: Path, run: Run, lay: Lay) -> None:
    rival = lay("laps-rival", "0.1", RIVAL, laps_rival="PLUGIN = 1")

    done = run("plugins", "--json", site=f"{sample_site}{os.pathsep}{rival}")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    (problem,) = document["problems"]
    assert problem["code"] == "plugin-clash"
    assert problem["fix"] == "`pip uninstall laps-rival` or `pip uninstall laps-sample`"
    claims = [entry for entry in document["plugins"] if entry["name"] == "segments_text"]
    assert [entry["status"] for entry in claims] == ["clash", "clash"]


def test_a_verb_that_takes_our_name_is_refused_when_it_is_called(run: Run, lay: Lay) -> None:
    site = lay("laps-taker", "1", TAKEN, laps_taker="def PLUGIN() -> None: ...")
    helped = run("--help", site=site)
    assert helped.returncode == 0
    assert "plugins  Claimed by several distributions" in helped.stdout
    called = run("plugins", site=site)
    assert called.returncode == 1
    assert called.stderr.startswith("error: lapsdata.commands: plugins: expected one distribution of this name")
    assert "`pip uninstall laps-taker`" in called.stderr

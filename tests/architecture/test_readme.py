"""Every block of the README runs in one fresh folder, and shows what it says.

All ```python blocks are one session of a fresh interpreter, and what a `print(...)` writes is compared with the remark
behind it. Then, of each ```console block, every `$ lapsdata ...` is run and what it writes is compared with the lines
below it; ```sh blocks are commands without their output. `...` stands for anything. A block right below
`<!-- skip: reason -->` is not run; only blocks that install or make may say so.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import shlex
import subprocess
import sys
import warnings
from pathlib import Path
from typing import NamedTuple

import pytest

from lapsdata import console
from lapsdata.cli.main import main

INSTALLS = re.compile(r"(\S*/)?(pip install|python3? -m venv|git clone|cd|make)( .*)?|#.*|\s*")
PRINTED = re.compile(r"^\s*print\(.*\)  +# (.*)$", re.MULTILINE)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
FENCE = re.compile(r"(?:<!-- skip: (?P<skip>[^\n]+?) -->\n)?^```(?P<language>\w*)\n(?P<body>.*?)^```$", re.M | re.S)


class Block(NamedTuple):
    line: int
    language: str
    body: str
    skip: str | None


def blocks(text: str) -> list[Block]:
    return [
        Block(text.count("\n", 0, found.start("language")) + 1, found["language"], found["body"], found["skip"])
        for found in FENCE.finditer(text)
    ]


def commands(block: Block) -> list[tuple[str, str | None]]:
    """Return each command of a block with the output that is shown below it, None where none is shown."""
    if block.language == "sh":
        return [(line.partition(" #")[0], None) for line in block.body.splitlines() if line and line[0] != "#"]
    parts = re.split(r"^\$ ", block.body, flags=re.MULTILINE)
    if parts[0].strip():
        raise ValueError(f"line {block.line}: a console block begins with '$ '")
    return [(command, shown) for command, _, shown in (part.partition("\n") for part in parts[1:])]


def execute(arguments: list[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    environment = {**os.environ, "COLUMNS": "80"}
    return subprocess.run(arguments, cwd=folder, env=environment, **streams, text=True, check=False)


def execute_here(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command in this process: what a new one imports first takes longer than most of them."""
    written = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    with (
        contextlib.redirect_stdout(written),
        contextlib.redirect_stderr(written),
        contextlib.chdir(folder),
        warnings.catch_warnings(),
        pytest.MonkeyPatch.context() as patch,
    ):
        warnings.simplefilter("default")
        patch.setattr(console, "_kept", None)
        patch.setattr(sys, "argv", ["lapsdata", *arguments])
        patch.setenv("COLUMNS", "80")
        with pytest.raises(SystemExit, match=r"^\d+$") as end:
            main()
    written.seek(0)
    return subprocess.CompletedProcess(arguments, int(end.value.code or 0), written.read())


def compare(line: int, source: str, shown: str, got: str) -> None:
    if not doctest.OutputChecker().check_output(shown, got, FLAGS):
        raise ValueError(f"line {line}: {source}\nexpected:\n{shown}\ngot:\n{got}")


def check_language(block: Block) -> None:
    if block.skip is not None and not all(INSTALLS.fullmatch(line) for line in block.body.splitlines()):
        raise ValueError(f"line {block.line}: only blocks that install or make may be skipped")
    if block.language not in {"python", "console", "sh"}:
        raise ValueError(f"line {block.line}: expected python, console or sh, got {block.language!r}")


def play_python(found: list[Block], folder: Path) -> None:
    """Run all blocks as one program whose line numbers are those of the README."""
    program = ""
    for block in found:
        program += "\n" * (block.line - program.count("\n")) + block.body
    (folder / "README.py").write_text(program)
    done = execute([sys.executable, "-W", "error", "README.py"], folder)
    if done.returncode != 0:
        raise ValueError(done.stdout)
    compare(0, "what print wrote", "\n".join(PRINTED.findall(program)), done.stdout)


def play_commands(block: Block, folder: Path) -> None:
    for command, shown in commands(block):
        program, *arguments = shlex.split(command)
        if program != "lapsdata":
            raise ValueError(f"line {block.line}: expected a command of lapsdata, got {command!r}")
        # Of those that train, threads and random numbers are left behind.
        alone = arguments[0] in {"run", "--version"}
        command_of_venv = Path(sys.executable).with_name("lapsdata")
        done = execute([command_of_venv, *arguments], folder) if alone else execute_here(arguments, folder)
        # 1 says that problems were found, which may be the point of an example that shows them.
        if done.returncode not in ((0,) if shown is None else (0, 1)):
            raise ValueError(f"line {block.line}: {command}: exit code {done.returncode}\n{done.stdout}")
        if shown is not None:
            compare(block.line, command, shown, done.stdout)


def play(text: str, folder: Path) -> None:
    """Run a whole document; ValueError says what is not as it is shown."""
    found = blocks(text)
    for block in found:
        check_language(block)
    run = [block for block in found if block.skip is None]
    play_python([block for block in run if block.language == "python"], folder)
    for block in run:
        if block.language != "python":
            play_commands(block, folder)


def test_every_block_of_the_readme_runs(root: Path, tmp_path: Path) -> None:
    play((root / "README.md").read_text(), tmp_path)


def test_few_blocks_are_skipped_and_each_says_why(root: Path) -> None:
    skipped = [block for block in blocks((root / "README.md").read_text()) if block.skip is not None]
    assert len(skipped) <= 2
    assert all(len(block.skip or "") > 5 for block in skipped)


def test_every_fence_of_the_readme_is_a_block(root: Path) -> None:
    text = (root / "README.md").read_text()
    assert len(re.findall(r"^\s*(?:```|~~~)", text, re.MULTILINE)) == 2 * len(blocks(text))


def test_every_print_of_the_readme_says_what_it_shows(root: Path) -> None:
    python = "".join(block.body for block in blocks((root / "README.md").read_text()) if block.language == "python")
    assert len(re.findall(r"\bprint\(", python)) == len(PRINTED.findall(python))


@pytest.mark.parametrize(
    "text",
    [
        "```python\nx = 1\n```\ntext\n```python\nprint(x)  # 1\nprint('a b')  # a ...\n```",
        "```console\n$ lapsdata --version\nlapsdata 0...\n$ lapsdata --version\nlapsdata ...\n```",
        "```console\n$ lapsdata inspect nothing.h5\nerror: nothing.h5: cannot open: ...\n```",
        "```sh\nlapsdata --version  # with a remark\n\n# and a line of its own\n```",
        "<!-- skip: installs -->\n```sh\n.venv/bin/pip install lapsdata\nmake test   # all of it\n```",
    ],
    ids=["python", "console", "failing", "sh", "skip"],
)
def test_a_good_document_runs(text: str, tmp_path: Path) -> None:
    assert blocks(text)
    play(text, tmp_path)


def test_python_runs_before_the_commands_in_the_same_folder(tmp_path: Path) -> None:
    play("```sh\nlapsdata schema export --out made\n```\n```python\nopen('here', 'w').close()\n```", tmp_path)
    assert (tmp_path / "here").exists()
    assert (tmp_path / "made" / "index.json").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n\n```python\nx = 1\nraise OSError('torn')\n```", 'README.py", line 5, .*torn'),
        ("```python\nprint(1)  # 2\n```", "expected:\n2\ngot:\n1"),
        ("```python\nimport warnings\nwarnings.warn('old')\n```", "UserWarning: old"),
        (
            "\n\n```console\n$ lapsdata --version\nlapsdata 99\n```",
            "line 3: lapsdata --version\nexpected:\nlapsdata 99",
        ),
        ("```console\nlapsdata --version\n```", "begins with"),
        ("```console\n$ lapsdata frobnicate\n...\n```", "exit code 2"),
        ("```sh\nlapsdata inspect nothing.h5\n```", "exit code 1"),
        ("```sh\nrm -rf .\n```", "expected a command of lapsdata"),
        ("```toml\n[project]\n```", "expected python, console or sh, got 'toml'"),
        ("```\nlapsdata\n```", "expected python, console or sh, got ''"),
        ("<!-- skip: too slow -->\n```console\n$ lapsdata doctor\n```", "only blocks that install or make"),
    ],
)
def test_a_bad_document_is_refused(text: str, message: str, tmp_path: Path) -> None:
    assert blocks(text)
    with pytest.raises(ValueError, match=re.compile(message, re.DOTALL)):
        play(text, tmp_path)

"""`lapsdata plugins`: what is installed, from where, and whether it can be used."""

from __future__ import annotations

from dataclasses import asdict

from lapsdata import console
from lapsdata.plugins import KINDS, registry
from lapsdata.verbs import Json, finish

__all__ = ["PLUGIN"]


def plugins(json: Json = False) -> None:
    """List formats, adapters, checks and other plug-ins.

    Each is imported, to tell whether it works. A broken one is a warning, a name that two distributions claim
    an error; both say what to do.
    """
    problems = [problem for kind in KINDS for problem in registry(kind).check()]
    entries = [entry for kind in KINDS for entry in registry(kind).entries()]
    if json:
        console.write_json({"plugins": [asdict(entry) for entry in entries]}, problems)
    else:
        console.write_table(
            ["kind", "name", "from", "status"],
            [[entry.kind, entry.name, f"{entry.distribution} {entry.version}", entry.status] for entry in entries],
        )
        console.report(problems)
    finish(problems)


PLUGIN = plugins

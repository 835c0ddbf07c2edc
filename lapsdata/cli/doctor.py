"""`lapsdata doctor`: is this installation fit to read and write data, and if not, what to do."""

from __future__ import annotations

from lapsdata import console
from lapsdata.verbs import Json, finish

__all__ = ["PLUGIN"]


def doctor(json: Json = False) -> None:
    """Examine this installation and say what to mend."""
    from lapsdata.checks.doctor import diagnose, findings_as_json

    findings = diagnose()
    problems = [finding.problem for finding in findings if finding.problem is not None]
    if json:
        console.write_json(findings_as_json(findings), problems)
    else:
        console.write_table(
            ["status", "check", "found"], [[finding.status, finding.name, finding.details] for finding in findings]
        )
        console.report(problems)
    finish(problems)


PLUGIN = doctor

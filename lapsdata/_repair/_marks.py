"""What a repaired file says of itself: from which damaged one it was saved, by which code, and how much is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata import __version__
from lapsdata.provenance import code_digest, parent

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from lapsdata.schema.base import Header

__all__ = ["saved_header"]

MARK, ROLE, POLICY = "x-repair", "damaged", "lost_to_damage"


def saved_header(header: Header, path: Path, lost: int) -> dict[str, Any]:
    """Return what changes in a header: a parent and a mark in its provenance, and the count of what is lost."""
    mark = {"version": __version__, "code_digest": code_digest(), "lost": lost}
    made = header.provenance
    parents = (*made.parents, parent(ROLE, path))
    policies = dict(header.policies)
    if lost:
        policies[POLICY] = policies.get(POLICY, 0) + lost
    return {"provenance": made.model_copy(update={MARK: mark, "parents": parents}), "policies": policies}

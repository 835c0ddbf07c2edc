"""Columns and cameras that are left out or called otherwise, everywhere that a set names them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from lapsdata.adapters.lerobot.info import DEFAULTS
from lapsdata.adapters.lerobot.layout import unfit_name
from lapsdata.adapters.lerobot.modality import USUAL
from lapsdata.errors import Problems, SchemaError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import pyarrow as pa

    from lapsdata.adapters import EpisodesEdit

__all__ = ["ARROW_FEATURES", "Names", "names_of", "unknown_names"]

ARROW_FEATURES = b"huggingface"
"""Under which key of a table the library datasets notes what its columns are."""


class Names(NamedTuple):
    """What becomes of names.

    Parameters
    ----------
    dropped : frozenset of str
    renamed : mapping of str
    """

    dropped: frozenset[str]
    renamed: Mapping[str, str]

    def of(self, name: str) -> str:
        """Return what a name that is kept has become."""
        return self.renamed.get(name, name)

    def keys(self, told: Mapping[str, Any]) -> dict[str, Any]:
        """Return a mapping by the new names, without what is left out, in its order."""
        return {self.of(name): value for name, value in told.items() if name not in self.dropped}

    def table(self, table: pa.Table) -> pa.Table:
        """Return rows by the new names, also in what datasets and pandas have noted of them."""
        if not self.dropped.union(self.renamed) & set(table.column_names):
            return table
        kept = table.select([name for name in table.column_names if name not in self.dropped])
        kept = kept.rename_columns([self.of(name) for name in kept.column_names])
        # The note of pandas names every column and says nothing that the types do not.
        noted = {key: value for key, value in (table.schema.metadata or {}).items() if key != b"pandas"}
        if ARROW_FEATURES in noted:
            said = json.loads(noted[ARROW_FEATURES])
            if "features" in said.get("info", {}):
                said["info"]["features"] = self.keys(said["info"]["features"])
            noted[ARROW_FEATURES] = json.dumps(said).encode()
        return kept.replace_schema_metadata(noted or None)

    def modality(self, told: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, Any], list[str]]:
        """Return `modality.json` by the new names, and the parts that went with what is left out."""
        kept: dict[str, Any] = {}
        lost = []
        for part, entries in told.items():
            kept[part] = {}
            for name, one in entries.items():
                stands_for = one.get("original_key") or USUAL.get(part, "{}").format(name)
                if stands_for in self.dropped:
                    lost.append(f"{part}.{name}")
                elif stands_for in self.renamed:
                    kept[part][name] = {**one, "original_key": self.of(stands_for)}
                else:
                    kept[part][name] = one
        return kept, lost


def unknown_names(edit: EpisodesEdit, known: Collection[str], needed: Collection[str] = ()) -> Problems:
    """Name what is asked to be dropped or renamed, and is not there, is needed, or is both; and names that cannot be.

    Examples
    --------
    >>> from lapsdata.adapters import EpisodesEdit
    >>> [one.where for one in unknown_names(EpisodesEdit(drop=("a", "b")), {"a", "c"})]
    ['drop']
    """
    found = Problems()
    there = ", ".join(sorted(set(known) - set(needed)))
    for option, asked in (("drop", edit.drop), ("rename", tuple(edit.rename))):
        for name in asked:
            if name in needed:
                found.add("needed-column", option, f"expected a column that sets may lack, got {name}: all have it")
            elif name not in known:
                found.add("unknown-name", option, f"expected one of {there}, got {name}")
    for new in edit.rename.values():
        if why := unfit_name(new):
            found.add("wrong-name", "rename", f"expected a name of a column or camera, got {new!r}: {why}")
    for name in sorted(set(edit.drop) & edit.rename.keys()):
        found.add("contradiction", "rename", f"expected a name that is kept, got {name}, which is dropped")
    return found


def names_of(edit: EpisodesEdit, sets: Sequence[Collection[str]]) -> Names:
    """Return what becomes of names.

    Parameters
    ----------
    edit : EpisodesEdit
    sets : sequence of collection of str
        The names of columns and cameras of each data set.

    Raises
    ------
    SchemaError
        Names that no set has, that every set must have, or that two columns would have.

    Examples
    --------
    >>> from lapsdata.adapters import EpisodesEdit
    >>> names_of(EpisodesEdit(rename={"a": "b"}), [["a", "c"]]).keys({"a": 1, "c": 2})
    {'b': 1, 'c': 2}
    """
    found = unknown_names(edit, {name for names in sets for name in names}, DEFAULTS)
    names = Names(frozenset(edit.drop), dict(edit.rename))
    for one in sets:
        after = [names.of(name) for name in one if name not in names.dropped]
        for new in dict.fromkeys(edit.rename.values()):
            if after.count(new) > 1:
                found.add("name-taken", "rename", f"expected a name for each column and camera, got {new} twice")
    found.raise_as(SchemaError)
    return names

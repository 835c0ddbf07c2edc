"""What is written, and where: the format that is meant, and the name of each output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from lapsdata.adapters import writers
from lapsdata.errors import Problem, SchemaError, UnknownFormatError
from lapsdata.loading.finding import is_item
from lapsdata.plugins import registry

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata._convert._sources import Sources
    from lapsdata.formats import Format

__all__ = ["PANORAMA", "Target", "expect_apart", "outputs", "target_format", "wanted_records"]


PANORAMA = "panorama"
"""What `--to` calls views of panoramas, which are made of those of cameras."""


class Target(NamedTuple):
    """What is written: a format of ours, or files of others, where an adapter writes them.

    Parameters
    ----------
    name : str
        In the registry.
    record : str
    store : str
    suffixes : tuple of str
        Endings of outputs; those of others have none that is known.
    of_others : bool

    Examples
    --------
    >>> Target("mstcn", "segments", "mstcn", (), of_others=True).name
    'mstcn'
    """

    name: str
    record: str
    store: str
    suffixes: tuple[str, ...]
    of_others: bool = False


def target_format(record: str, to: str | None, path: Path) -> Target:
    """Return what is meant by `--to`, or by the ending of the output.

    Parameters
    ----------
    record : str
        What is converted.
    to : str or None
        Registry name, or the store alone; `shards` for shards; or the name of an adapter that writes this record.
    path : Path
        The output.

    Raises
    ------
    UnknownFormatError
        No format, or several, are meant; says which there are.

    Examples
    --------
    >>> import pathlib
    >>> target_format("tracks", "zarr", pathlib.Path("out")).name
    'tracks_zarr'
    >>> target_format("tracks", None, pathlib.Path("clips.shards")).name
    'shards_webdataset'
    """
    formats: list[Format[Any]] = [
        plugin for plugin in registry("formats").load_all().values() if plugin.record in _of(record)
    ]
    known = [Target(one.name, one.record, one.store, one.suffixes) for one in formats] + [
        Target(name, record, name, (), of_others=True) for name, writer in writers().items() if writer.record == record
    ]
    # A second way to write views, which only its name asks for.
    if record == "views" and to == PANORAMA:
        return next(one for one in known if one.name == "views_hdf5")._replace(name=PANORAMA)
    if to is not None:
        # `shards` is the name that people give to that record's one store.
        fitting = [plugin for plugin in known if to in (plugin.name, plugin.store) or to == plugin.record != record]
        got = f"--to {to}"
    else:
        fitting = [plugin for plugin in known if path.suffix in plugin.suffixes]
        got = f"no --to, and the ending {path.suffix!r}"
    if len(fitting) == 1:
        return fitting[0]
    known += [Target(PANORAMA, record, PANORAMA, ())] if record == "views" else []
    names = [plugin.name if _word(plugin) == plugin.name else f"{plugin.name} ({_word(plugin)})" for plugin in known]
    spelled = ", ".join(names) or "none"
    message = f"expected one of the formats of {record}, {spelled}, got {got}"
    usual = {"tracks": "zarr", "episodes": "lerobot-3.0"}.get(record)
    fix = f"name it: --to {usual}" if usual else f"{record} can be written as these alone"
    raise UnknownFormatError(Problem("unknown-format", str(path), message, fix))


def wanted_records(to: str | None, path: Path) -> frozenset[str] | None:
    """Return the records that may be meant, by `--to` or by the ending of the output; None where nothing tells it.

    Examples
    --------
    >>> import pathlib
    >>> sorted(wanted_records(None, pathlib.Path("energies.jsonl")))
    ['energies']
    """
    formats = registry("formats").load_all().values()
    if to in {plugin.record for plugin in formats}:
        return None  # `shards` are made of tracks, and of episodes
    found = {
        plugin.record
        for plugin in formats
        if (path.suffix in plugin.suffixes if to is None else to in (plugin.name, plugin.store))
    }
    if to is not None and to in (known := writers()):
        found.add(known[to].record)
    if to == PANORAMA:
        found.add("views")
    return frozenset(found) or None


def _of(record: str) -> tuple[str, ...]:
    return ("tracks", "shards") if record in ("tracks", "shards") else (record,)


def _word(plugin: Target) -> str:
    return "shards" if plugin.record == "shards" else plugin.store


def outputs(found: Sources, target: Path, plugin: Target) -> list[Path]:
    """Return the output of each item, in order; for shards, one and the same for all.

    Raises
    ------
    SchemaError
        Several items for one file.
    """
    if plugin.record == "shards" or plugin.of_others:
        return [target] * len(found.items)
    ending = plugin.suffixes[0]
    named_file = target.suffix in plugin.suffixes and not _plain_folder(target)
    if len(found.items) == 1 and (named_file or not (found.several or _plain_folder(target))):
        return [target]
    if named_file and found.several:
        message = f"expected a folder for {len(found.items)} items, got the name of one file"
        raise SchemaError(Problem("several-items", str(target), message, "name a folder, and the format by --to"))
    return [target / f"{item.name}{ending}" for item in found.items]


def _plain_folder(path: Path) -> bool:
    return path.is_dir() and not is_item(path)


def expect_apart(source: Path, target: Path) -> None:
    """Refuse an output that is the source, or lies in it.

    Raises
    ------
    SchemaError
        With what to do.
    """
    if target.resolve().is_relative_to(source.resolve()) or (
        source.resolve().is_relative_to(target.resolve()) and not _plain_folder(target)
    ):
        message = f"expected an output apart from its source, got {target} for {source}"
        raise SchemaError(Problem("output-in-input", str(target), message, "name another place"))

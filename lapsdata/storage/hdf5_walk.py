"""Every dataset of an HDF5 file by its path; links that lead nowhere are named, cycles end."""

from __future__ import annotations

from typing import Any, Final

from lapsdata.errors import Problem
from lapsdata.storage.hdf5_text import hdf5_text

__all__ = ["dataset_paths"]

# What h5py raises for objects and links that it cannot open.
_WALK_ERRORS: Final = (OSError, RuntimeError, KeyError, ValueError, TypeError)


def dataset_paths(file: Any) -> dict[str, Problem | None]:  # noqa: ANN401  h5py publishes no types
    """List the datasets of an open `h5py.File`, sorted by path, with a Problem for what cannot be opened.

    Each group is entered once, through its hard links first, so cycles end and each dataset is listed under
    its own path; a soft or external link to a dataset is listed as well. Named types are not datasets.
    """
    found: dict[str, Problem | None] = {}
    # The groups stay open: a file behind an external link is known by a number that it loses when it is closed.
    entered: dict[tuple[int, int], Any] = {}
    groups: list[tuple[Any, str]] = [(file, "")]
    indirect: list[tuple[Any, bytes, str]] = []
    while groups or indirect:
        if groups:
            group, path = groups.pop()
            _enter(group, path, entered, groups, indirect, found)
        else:
            group, name, path = indirect.pop()
            _open(group, name, path, groups, found)
    return dict(sorted(found.items()))


def _enter(
    group: Any,  # noqa: ANN401
    path: str,
    entered: dict[tuple[int, int], Any],
    groups: list[tuple[Any, str]],
    indirect: list[tuple[Any, bytes, str]],
    found: dict[str, Problem | None],
) -> None:
    """Open what hangs on hard links now; leave soft and external ones until these are all known."""
    from h5py import h5l, h5o

    try:
        info = h5o.get_info(group.id)
        names = list(group)
    except _WALK_ERRORS as error:
        found[path or "/"] = _broken(path or "/", f"expected a group with members, got {hdf5_text(error)}")
        return
    if (info.fileno, info.addr) in entered:
        return
    entered[info.fileno, info.addr] = group
    for name in names:
        # h5py gives a name that is no UTF-8 as bytes; in a path they stand as surrogates, as in a file name.
        octets = name if isinstance(name, bytes) else name.encode()
        full = f"{path}/{octets.decode('utf-8', 'surrogateescape')}"
        try:
            link = group.id.links.get_info(octets)
        except _WALK_ERRORS as error:
            found[full] = _broken(full, f"expected a link, got {hdf5_text(error)}")
            continue
        if link.type == h5l.TYPE_HARD:
            _open(group, octets, full, groups, found)
        else:
            indirect.append((group, octets, full))


def _open(
    group: Any,  # noqa: ANN401
    name: bytes,
    path: str,
    groups: list[tuple[Any, str]],
    found: dict[str, Problem | None],
) -> None:
    import h5py

    try:
        member = group[name]
    except _WALK_ERRORS as error:
        found[path] = _broken(path, _target(group, name, error))
        return
    if isinstance(member, h5py.Group):
        groups.append((member, path))
    elif isinstance(member, h5py.Dataset):
        found[path] = None


def _target(group: Any, name: bytes, error: Exception) -> str:  # noqa: ANN401
    import h5py

    link = group.get(name, getlink=True)
    if isinstance(link, h5py.SoftLink):
        return f"expected a dataset, got a soft link to {link.path!r}, which is not there"
    if isinstance(link, h5py.ExternalLink):
        return f"expected a dataset, got a link to {link.path!r} in {link.filename!r}: {hdf5_text(error)}"
    return f"expected a dataset or group, got {hdf5_text(error)}"


def _broken(path: str, message: str) -> Problem:
    return Problem("broken-link", path, message, "restore the target or remove the link")

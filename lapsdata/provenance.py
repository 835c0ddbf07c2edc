"""Where a file comes from: code digests, digests of parents, the calling repository."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import importlib.util
import subprocess
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from lapsdata.errors import LapsWarning, Problem, StorageError, warn
from lapsdata.schema.base import Parent, Provenance
from lapsdata.schema.run import CallingRepository, Package

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from os import PathLike

    from pydantic import JsonValue

__all__ = [
    "CodeDigestWarning",
    "calling_repository",
    "code_digest",
    "installed_package",
    "marked_synthetic",
    "one_code_warning",
    "parent",
    "path_digest",
    "provenance",
    "synthetic_note",
    "warn_of_other_code",
]

_BLOCK = 1 << 20
_SYNTHETIC = "x-synthetic"


class CodeDigestWarning(LapsWarning):
    """A file was written by another state of the code than the one that reads it."""


@functools.cache
def code_digest(package: str = "lapsdata") -> str:
    """Return the digest of a package's Python files: names and contents, in order of name.

    Parameters
    ----------
    package : str
        Name of an importable package.

    Returns
    -------
    str
        `sha256:<64 hex digits>`; the same for a wheel, an sdist and a checkout of the same code.

    Raises
    ------
    StorageError
        There is no such package on disk.

    Examples
    --------
    >>> code_digest("lapsdata")[:7]
    'sha256:'
    """
    try:
        found = importlib.util.find_spec(package)
    except (ImportError, ValueError):  # no parent package, or no name at all
        found = None
    if found is None or not found.submodule_search_locations:
        raise StorageError(Problem("not-found", package, "expected an importable package with files, got none"))
    folder = Path(next(iter(found.submodule_search_locations)))
    return _tree_digest(folder, (path for path in folder.rglob("*.py") if "__pycache__" not in path.parts))


def path_digest(path: str | PathLike[str]) -> str:
    """Return the digest of a file's bytes, or of a folder's file names and bytes.

    Parameters
    ----------
    path : str or PathLike

    Raises
    ------
    StorageError
        Nothing is there, or it cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> note = Path(tempfile.mkdtemp()) / "note.txt"
    >>> _ = note.write_bytes(b"abc")
    >>> path_digest(note)[:15]
    'sha256:ba7816bf'
    """
    path = path if isinstance(path, Path) else Path(path)
    try:
        if path.is_dir():
            return _tree_digest(path, (item for item in path.rglob("*") if item.is_file()))
        return f"sha256:{_file_digest(path)}"
    except FileNotFoundError:
        message = "expected a file or folder, got nothing"
        raise StorageError(Problem("not-found", str(path), message, "check the path")) from None
    except OSError as error:
        message = f"expected bytes to take the digest of, got: {error.strerror}"
        raise StorageError(Problem("unreadable", str(path), message)) from error


def parent(role: str, path: str | PathLike[str]) -> Parent:
    """Describe a file that something is made from: its role, its name without folders, its digest.

    Parameters
    ----------
    role : str
        What it is used as: `video`, `tracks` ...
    path : str or PathLike

    Raises
    ------
    SchemaError
        A role or a name that is none, such as the `..` of a folder.
    StorageError
        As `path_digest`.

    Examples
    --------
    >>> parent("code", Path(__file__)).name
    'provenance.py'
    """
    return Parent(role=role, name=Path(path).name, digest=path_digest(path))


def provenance(
    producer: str = "lapsdata",
    *,
    parameters: dict[str, JsonValue] | None = None,
    parents: Iterable[Parent] = (),
    version: str | None = None,
) -> Provenance:
    """Describe who makes a file now.

    Parameters
    ----------
    producer : str
        Name of an installed package with code; its version and code digest are looked up.
    parameters : dict, optional
        What it was told.
    parents : iterable of Parent
        What it was given; see `parent`.
    version : str, optional
        Version, for a package that is importable but not installed.

    Raises
    ------
    StorageError
        There is no such package, or nothing says its version.
    SchemaError
        Parameters that JSON cannot hold, or another value at fault.

    Examples
    --------
    >>> provenance(parameters={"points": 400}).producer
    'lapsdata'
    """
    digest = code_digest(producer)
    return Provenance(
        producer=producer,
        version=_version(producer) if version is None else version,
        code_digest=digest,
        parameters=parameters or {},
        parents=tuple(parents),
    )


def marked_synthetic(made: Provenance, note: str | None) -> Provenance:
    """Return a provenance that says of what it tells that it was made from rendered videos; as it is without a note.

    Parameters
    ----------
    made : Provenance
    note : str or None
        What is said of the videos, as `synthetic_note` returns it.

    Examples
    --------
    >>> synthetic_note(marked_synthetic(provenance(), "SYNTHETIC: rendered"))
    'SYNTHETIC: rendered'
    """
    return made if note is None else made.model_copy(update={_SYNTHETIC: note})


def synthetic_note(*made: Provenance) -> str | None:
    """Return what the first of some provenances that was made from rendered videos says of them; None where none was.

    Examples
    --------
    >>> synthetic_note(provenance()) is None
    True
    """
    notes = ((one.model_extra or {}).get(_SYNTHETIC) for one in made)
    return next((str(note) for note in notes if note is not None), None)


def warn_of_other_code(found: Provenance, where: str) -> None:
    """Warn, naming both, when a file was written by another state of this project's code.

    Other producers are left alone: their code cannot be compared.

    Examples
    --------
    >>> import warnings
    >>> with warnings.catch_warnings(record=True) as seen:
    ...     warn_of_other_code(provenance(), "clip.h5")
    >>> seen
    []
    """
    if found.producer not in ("lapsdata", "lapsmodels"):
        return
    here = code_digest(found.producer)
    if found.code_digest != here:
        warn(
            f"{where}: written by {found.producer} {found.version} with code {found.code_digest[7:19]}, "
            f"read by {_version(found.producer)} with code {here[7:19]}",
            CodeDigestWarning,
        )


@contextlib.contextmanager
def one_code_warning() -> Iterator[None]:
    """Tell once what `warn_of_other_code` says of each of many files: of the first one, and how many more there are.

    Examples
    --------
    >>> import warnings
    >>> with warnings.catch_warnings(record=True) as seen:
    ...     warnings.simplefilter("always")
    ...     with one_code_warning():
    ...         for name in ("a.h5", "b.h5", "c.h5"):
    ...             warn(f"{name}: written by other code", CodeDigestWarning)
    >>> [str(one.message) for one in seen]
    ['a.h5: written by other code; and 2 more files']
    """
    told: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            yield
    finally:
        _tell(told)


def _tell(told: list[warnings.WarningMessage]) -> None:
    of_code = [str(one.message) for one in told if issubclass(one.category, CodeDigestWarning)]
    for one in told:
        if not issubclass(one.category, CodeDigestWarning):
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    if of_code:
        more = f"; and {len(of_code) - 1} more files" if len(of_code) > 1 else ""
        warn(of_code[0] + more, CodeDigestWarning)


def calling_repository(folder: str | PathLike[str] | None = None) -> CallingRepository | None:
    """Return commit and dirty flag of the git repository around `folder` (default: the working folder).

    Returns
    -------
    CallingRepository or None
        None outside of a repository, without a commit, without git, or in a folder that is gone.

    Examples
    --------
    >>> import tempfile
    >>> calling_repository(Path(tempfile.mkdtemp())) is None
    True
    """
    place = folder or "."
    commit = _git(place, "rev-parse", "--verify", "HEAD")
    # Said in full: users may have told git not to look for untracked files.
    state = _git(place, "status", "--porcelain", "--untracked-files=normal")
    if commit is None or state is None:
        return None
    return CallingRepository(commit=commit.strip(), dirty=bool(state.strip()))


def installed_package(name: str) -> Package:
    """Describe an installed package: version, and digest of its source.

    Examples
    --------
    >>> installed_package("lapsmodels").name
    'lapsmodels'
    """
    return Package(name=name, version=_version(name), code_digest=code_digest(name))


@functools.cache
def _version(package: str) -> str:
    # Both packages of this project ship in one distribution.
    try:
        return importlib.metadata.version("lapsdata" if package == "lapsmodels" else package)
    except (importlib.metadata.PackageNotFoundError, ValueError):  # the latter: an empty name
        message = "expected the name of an installed distribution, got none that tells its version"
        raise StorageError(Problem("not-found", package, message, "give version=...")) from None


def _git(folder: str | PathLike[str], *arguments: str) -> str | None:
    try:
        # `git status` refreshes the index where it may: killed meanwhile, it would leave its lock in the repository.
        words = ("git", "--no-optional-locks", "-C", str(folder), *arguments)
        done = subprocess.run(words, capture_output=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None  # no git, no repository or no commit: said by `repository: null`
    return done.stdout.decode("utf-8", "replace")  # names of files are only counted


def _tree_digest(folder: Path, files: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for path in sorted(files, key=lambda item: item.relative_to(folder).as_posix()):
        line = f"{path.relative_to(folder).as_posix()}\0{_file_digest(path)}\n"
        total.update(line.encode("utf-8", "surrogateescape"))  # names need not be UTF-8
    return f"sha256:{total.hexdigest()}"


def _file_digest(path: Path) -> str:
    total = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            total.update(block)
    return total.hexdigest()

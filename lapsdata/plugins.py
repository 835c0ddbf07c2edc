"""How formats, adapters, checks and the rest are found: by their place here, by entry point elsewhere.

A built-in plug-in is one module inside the package of its kind; the name of the module is the name of the
plug-in and its attribute `PLUGIN` is the object. Another distribution registers an object in its metadata:

    [project.entry-points."lapsdata.formats"]
    tracks_toml = "their_package.tracks_toml:PLUGIN"

Nothing is imported to list names; a module is imported when its object is first asked for.
"""

from __future__ import annotations

import difflib
import importlib.util
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points, version
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, TypeVar, get_args

from lapsdata.errors import LapsError, PluginError, Problem, UnknownFormatError, warn

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["KINDS", "Kind", "PluginEntry", "Registry", "registry"]

Kind = Literal["adapters", "formats", "checks", "trackers", "segmenters", "metrics", "stages", "commands", "tasks"]
KINDS: tuple[Kind, ...] = get_args(Kind)

Status = Literal["not-loaded", "ok", "broken", "clash"]


class _Place(NamedTuple):
    """Where the plug-ins of a kind stand, and what each of them has."""

    package: str | None = None
    helpers: frozenset[str] = frozenset()
    requires: Mapping[str, Any] = MappingProxyType({})


# By attribute and not by class: the classes stand in rooms above this one.
_FORMAT = {
    "name": str,
    "record": str,
    "store": str,
    "suffixes": tuple,
    "container": type,
    "recognises": Callable,
    "read": Callable,
    "write": Callable,
}
_ADAPTER = {"name": str, "title": str, "recognises": Callable, "read": Callable}
_TRACKER = {"name": str, "version": str, "windows": Callable}
# What makes a segmenter of parameters; most simply its class.
_SEGMENTER = {"name": str, "version": str, "__call__": Callable}
_STAGE = {"name": str, "title": str, "default": str, "kinds": Callable, "options": Callable}
_PLACES: dict[Kind, _Place] = {
    "formats": _Place("lapsdata.formats", requires=_FORMAT),
    "adapters": _Place("lapsdata.adapters", requires=_ADAPTER),
    # By name alone: nothing here imports the models.
    "trackers": _Place("lapsmodels.trackers", requires=_TRACKER),
    "segmenters": _Place(
        "lapsdata.segmenters",
        helpers=frozenset({"energy_shift", "many_thresholds", "smoothing", "thresholds"}),
        requires=_SEGMENTER,
    ),
    "stages": _Place(
        "lapsdata.stages",
        helpers=frozenset(
            {
                *("actions", "durations", "fuse", "probe", "recipe", "scores", "segment_export", "segments_source"),
                *("threshold_reports", "threshold_search", "tracking", "tracking_demo", "tracking_files"),
                "views_report",
            }
        ),
        requires=_STAGE,
    ),
    "commands": _Place("lapsdata.cli", helpers=frozenset({"main", "tasks"}), requires={"__call__": Callable}),
    # What `lapsdata evaluate` scores.
    "tasks": _Place("lapsdata.cli.tasks", requires={"__call__": Callable}),
}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PluginEntry:
    """What is known about one plug-in.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    name : str
        Name in the registry: name of the built-in module or of the entry point.
    distribution, version : str
        The installed distribution that it comes from.
    module : str
        Dotted name of the module that is imported when it is loaded.
    status : {"not-loaded", "ok", "broken", "clash"}
        "clash": several distributions claim the name, so it cannot be loaded.
    reason : str or None
        Why it is broken or whom it clashes with.

    Examples
    --------
    >>> entry = PluginEntry("formats", "tracks_toml", "laps-toml", "1.2", "laps_toml.tracks", "not-loaded")
    >>> entry.status
    'not-loaded'
    """

    kind: str
    name: str
    distribution: str
    version: str
    module: str
    status: Status
    reason: str | None = None


_NOTHING = object()


class _UnfitError(Exception):
    """What an entry point names is no plug-in of its kind."""


class _Claim(NamedTuple):
    """One distribution's claim to a name."""

    point: EntryPoint
    distribution: str
    version: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version} ({self.point.value})"


class Registry(Generic[T]):
    """The plug-ins of one kind, by name.

    Parameters
    ----------
    kind : str
        One of `KINDS`; the entry-point group is `lapsdata.<kind>`.
    builtins : str or None
        Package whose public modules are the built-in plug-ins of this kind.
    helpers : collection of str
        Public modules of `builtins` that are no plug-ins.
    requires : mapping of str to type
        Attributes that a plug-in of this kind has, and their types; a `name` must be the name in the registry.

    Examples
    --------
    >>> commands = Registry("commands", "lapsdata.cli", helpers={"main", "tasks"})
    >>> "plugins" in commands.names()
    True
    """

    def __init__(
        self,
        kind: str,
        builtins: str | None = None,
        *,
        helpers: Collection[str] = (),
        requires: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self.kind = kind
        self._builtins = builtins
        self._helpers = frozenset(helpers)
        self._requires = requires
        self.refresh()

    def refresh(self) -> None:
        """Forget what was found and loaded; the next call looks again (after an install, say)."""
        self._found: dict[str, list[_Claim]] | None = None
        self._objects: dict[str, T] = {}
        self._broken: dict[str, BaseException] = {}

    def names(self) -> tuple[str, ...]:
        """Return every name, sorted; imports nothing."""
        return tuple(self._claims())

    def load(self, name: str) -> T:
        """Return the object of one plug-in, importing its module the first time.

        Raises
        ------
        UnknownFormatError
            No format or adapter has this name.
        PluginError
            No other plug-in has this name; or several distributions claim it; or its import fails, or gives an
            object that is no plug-in of this kind.
        """
        claims = self._claims().get(name)
        if claims is None:
            raise self._unknown(name)
        if len(claims) > 1:
            raise PluginError(self._clash(name, claims))
        self._import(name, claims[0])
        if name in self._broken:
            raise PluginError(self._fault(name, claims[0])) from self._broken[name]
        return self._objects[name]

    def load_all(self) -> dict[str, T]:
        """Return the objects of all plug-ins by name; a broken one is left out with a `LapsWarning`.

        Raises
        ------
        PluginError
            Several distributions claim one name.
        """
        problems = self.check()
        clashes = [problem for problem in problems if problem.severity == "error"]
        if clashes:
            raise PluginError(*clashes)
        for problem in problems:
            warn(str(problem))
        return {name: self._objects[name] for name in self.names() if name in self._objects}

    def check(self) -> list[Problem]:
        """Import every plug-in; return an error for each clash of names, a warning for each broken one."""
        problems = []
        for name, claims in self._claims().items():
            if len(claims) > 1:
                problems.append(self._clash(name, claims))
                continue
            self._import(name, claims[0])
            if name in self._broken:
                problems.append(replace(self._fault(name, claims[0]), severity="warning"))
        return problems

    def entries(self) -> tuple[PluginEntry, ...]:
        """Return what is known about each plug-in, sorted by name; imports nothing."""
        return tuple(self._entry(name, claim, claims) for name, claims in self._claims().items() for claim in claims)

    def _claims(self) -> dict[str, list[_Claim]]:
        if self._found is None:
            found: dict[str, list[_Claim]] = {}
            for claim in [*self._built_in(), *self._installed()]:
                found.setdefault(claim.point.name, []).append(claim)
            self._found = dict(sorted(found.items()))
        return self._found

    def _built_in(self) -> list[_Claim]:
        if self._builtins is None:
            return []
        spec = importlib.util.find_spec(self._builtins)
        if spec is None:
            raise ModuleNotFoundError(f"no package {self._builtins} for the built-in {self.kind}")
        release = version("lapsdata")
        return [
            _Claim(EntryPoint(name, f"{self._builtins}.{name}:PLUGIN", self._group), "lapsdata", release)
            for _, name, _ in pkgutil.iter_modules(spec.submodule_search_locations)
            if not name.startswith("_") and name not in self._helpers
        ]

    def _installed(self) -> list[_Claim]:
        return [
            # Only entry points that were made by hand belong to no distribution.
            _Claim(point, point.dist.name if point.dist else "?", point.dist.version if point.dist else "?")
            for point in entry_points(group=self._group)
        ]

    @property
    def _group(self) -> str:
        return f"lapsdata.{self.kind}"

    def _import(self, name: str, claim: _Claim) -> None:
        if name in self._objects or name in self._broken:
            return
        try:
            found = _object_of(claim.point)
            self._refuse_unfit(name, found)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - someone else's module may raise anything
            self._broken[name] = error
        else:
            self._objects[name] = found

    def _refuse_unfit(self, name: str, found: object) -> None:
        """Refuse an object that has not what every plug-in of this kind has."""
        faults = []
        for attribute, kind in self._requires.items():
            value = getattr(found, attribute, _NOTHING)
            if not isinstance(value, kind):
                got = "nothing" if value is _NOTHING else type(value).__name__
                faults.append(f"{attribute}: expected {kind.__name__}, got {got}")
            elif attribute == "name" and value != name:
                faults.append(f"name: expected {name!r}, got {value!r}")
        if faults:
            raise _UnfitError(", ".join(faults))

    def _entry(self, name: str, claim: _Claim, claims: list[_Claim]) -> PluginEntry:
        status: Status = "ok" if name in self._objects else "not-loaded"
        reason = None
        if len(claims) > 1:
            status = "clash"
            reason = "also claimed by " + ", ".join(str(other) for other in claims if other is not claim)
        elif name in self._broken:
            status, reason = "broken", _told(self._broken[name])
        module = claim.point.value.partition(":")[0].strip()
        return PluginEntry(self.kind, name, claim.distribution, claim.version, module, status, reason)

    def _unknown(self, name: str) -> LapsError:
        known = ", ".join(self.names()) or "(none is installed)"
        error = UnknownFormatError if self.kind in {"formats", "adapters"} else PluginError
        return error(
            Problem(
                "unknown-name",
                self._group,
                f"expected one of {known}, got {name!r}",
                _nearest(name, self.names()),
            )
        )

    def _clash(self, name: str, claims: list[_Claim]) -> Problem:
        others = sorted({claim.distribution for claim in claims} - {"lapsdata"})
        fix = " or ".join(f"`pip uninstall {other}`" for other in others) or "install lapsdata again"
        message = f"expected one distribution of this name, got {' and '.join(map(str, claims))}"
        return Problem("plugin-clash", f"{self._group}: {name}", message, fix)

    def _fault(self, name: str, claim: _Claim) -> Problem:
        error = self._broken[name]
        message = f"{claim} cannot be {'used' if isinstance(error, _UnfitError) else 'imported'}: {_told(error)}"
        ours = claim.distribution == "lapsdata"
        fix = "install lapsdata again" if ours else f"repair it or `pip uninstall {claim.distribution}`"
        return Problem("broken-plugin", f"{self._group}: {name}", message, fix)


@cache
def registry(kind: Kind) -> Registry[Any]:
    """Return the one registry of a kind, with our built-ins in it.

    Examples
    --------
    >>> registry("commands").load("plugins").__name__
    'plugins'
    """
    if kind not in KINDS:
        message = f"expected one of {', '.join(KINDS)}, got {kind!r}"
        raise PluginError(Problem("unknown-name", "kind of plug-in", message, _nearest(kind, KINDS)))
    place = _PLACES.get(kind, _Place())
    return Registry(kind, place.package, helpers=place.helpers, requires=place.requires)


def _object_of(point: EntryPoint) -> Any:  # noqa: ANN401 - anything may be registered
    if not point.pattern.match(point.value):
        raise _UnfitError(f"expected an entry point 'module:name', got {point.value!r}")
    return point.load()


def _nearest(name: str, known: tuple[str, ...]) -> str | None:
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else None


def _told(error: BaseException) -> str:
    if isinstance(error, _UnfitError):
        return str(error)
    return f"{type(error).__name__}: {error}".removesuffix(": ")

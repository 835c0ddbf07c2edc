"""Recipes: which kind of each stage is taken, and with which parameters; read, changed, checked, and spelled out.

The stages say themselves what they can be told: those of the main job, and those that other distributions register as
`lapsdata.stages`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lapsdata.errors import LapsError, PluginError, Problem, Problems, SchemaError, StorageError, warn
from lapsdata.schema.recipe import Recipe, StageChoice
from lapsdata.stages._recipe_stages import (
    ORDER,
    load_stage,
    loaded_stages,
    meanings,
    problems_of,
    refuses,
    stage_names,
    unknown_stage,
)
from lapsdata.storage.atomic import existing, storage_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pydantic import JsonValue

    from lapsdata.schema.base import Record
    from lapsdata.stages._recipe_advice import Advice
    from lapsdata.stages._recipe_plan import RecipePlan
    from lapsdata.stages._recipe_writing import Notes
    from lapsdata.stages._stage import Stage
    from lapsdata.timebase import FrameRate
    from lapsdata.video.sources import FoundVideos

__all__ = [
    "ORDER",
    "Parameter",
    "Resolved",
    "find_stage",
    "known_stages",
    "load_recipe",
    "parameters_of",
    "plan_recipe",
    "recipe_for",
    "recipe_yaml",
    "resolve",
    "with_settings",
]

# A recipe is a page or two; whoever names a video by mistake is told at once.
_LARGEST = 1 << 18


def known_stages() -> dict[str, Stage]:
    """Return every stage that a recipe may speak of: those of the main job as they follow each other, then others.

    One that cannot be imported is left out with a warning.

    Raises
    ------
    PluginError
        Several distributions claim one name.

    Examples
    --------
    >>> list(known_stages())[:2], known_stages()["energies"].default
    (['track', 'train'], 'velocity_step')
    """
    return loaded_stages()


def find_stage(name: str) -> Stage:
    """Return one stage.

    Raises
    ------
    SchemaError
        There is none of this name.
    PluginError
        It cannot be imported.

    Examples
    --------
    >>> find_stage("trakc")
    Traceback (most recent call last):
    lapsdata.errors.SchemaError: trakc: expected one of track, ..., got 'trakc'; did you mean 'track'? [unknown-stage]
    """
    return load_stage(name)


class Parameter(NamedTuple):
    """What a kind of a stage can be told.

    Examples
    --------
    >>> Parameter("gate", "Values below it are gated.", required=False, default=0.5).default
    0.5
    """

    name: str
    meaning: str
    required: bool
    default: JsonValue


def parameters_of(stage: Stage, kind: str) -> tuple[Parameter, ...]:
    """Return what a kind of a stage can be told.

    Raises
    ------
    SchemaError
        The stage has no such kind.

    Examples
    --------
    >>> from lapsdata.schema.base import Record
    >>> from lapsdata.stages import Stage
    >>> class Options(Record):
    ...     gate: float = 0.5
    ...     '''Values below it are gated.'''
    >>> stage = Stage("measure", "Measures.", "speed", lambda: {"speed": Options})
    >>> [(one.name, one.default) for one in parameters_of(stage, "speed")]
    [('gate', 0.5)]
    """
    known = meanings(stage, kind)
    filled: dict[str, Any] = dict(stage.filled(kind))
    # Not checked: a parameter that must be given is not there.
    whole = stage.kinds()[kind].model_construct(None, **filled).model_dump(mode="json", warnings=False)
    return tuple(Parameter(name, text, name not in whole, whole.get(name)) for name, text in known.items())


def load_recipe(path: Path | str) -> Recipe:
    r"""Read a recipe from a file, of YAML or JSON: whichever its content is.

    Of YAML it takes the plain part: no anchors, aliases and tags; `no` and `12:30` are texts, `1e-3` is a number. Where
    `format` and `format_version` are left out, it is of this release.

    Parameters
    ----------
    path : Path or str
        A name that ends in `.json` promises JSON.

    Raises
    ------
    StorageError
        It is not there or cannot be read.
    SchemaError
        It is no recipe: neither YAML nor JSON, a key twice, unknown keys; each with its place.
    FormatTooNewError
        It was written for a newer release.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "recipe.yaml"
    >>> _ = path.write_text("stages:\n  energies:\n    params: {gate: 1e-3}\n")
    >>> load_recipe(path).stages["energies"].params
    {'gate': 0.001}
    """
    from lapsdata.stages._recipe_reading import read_yaml

    path = Path(path)
    where = str(path)
    text = _text_of(path)
    if not _is_json(path, text):
        document = read_yaml(text, where)
        if not isinstance(document, dict):
            got = "a list" if isinstance(document, list) else repr(document)[:60]
            message = f"expected a mapping with the key 'stages', got {got}"
            raise SchemaError(Problem("wrong-value", where, message, "write `stages:` first"))
        text = json.dumps(document, ensure_ascii=False)
    try:
        return Recipe.parse(text, where)
    except SchemaError as error:
        raise SchemaError(*(_misplaced(problem, where) for problem in error.problems)) from None


def _text_of(path: Path) -> str:
    if existing(path).is_dir():
        raise StorageError(Problem("wrong-kind", str(path), "expected a recipe, got a folder", "name a file"))
    with storage_errors(path, "open"), path.open("rb") as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        message = f"expected a recipe of at most {_LARGEST // 1024} KiB, got a larger file"
        raise SchemaError(Problem("too-large", str(path), message, "is it a recipe?"))
    try:
        # With or without the mark that some editors put first.
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"expected text in UTF-8, got other bytes (first at {error.start})"
        raise SchemaError(Problem("not-text", str(path), message, "is it a recipe? save it as UTF-8")) from None


def _is_json(path: Path, text: str) -> bool:
    if path.suffix.lower() == ".json":
        return True
    if not text.lstrip().startswith("{"):
        return False
    # YAML may begin so too.
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _misplaced(problem: Problem, where: str) -> Problem:
    """Say where a key belongs that stands a level too far out, which is the usual slip."""
    path = problem.where.removeprefix(f"{where}: ").split(".")
    if problem.code != "unknown-key" or "did you mean" in (problem.fix or ""):
        return problem
    if len(path) == 1 and path[0] in {*ORDER, *stage_names()}:
        return replace(problem, fix="put it below `stages:`")
    if len(path) == 3 and path[0] == "stages":
        return replace(problem, fix="put it below `params:`, if it is a parameter")
    return problem


def with_settings(recipe: Recipe, settings: Iterable[str]) -> Recipe:
    """Return a recipe with some kinds and parameters changed, as `--set` does.

    Parameters
    ----------
    recipe : Recipe
    settings : iterable of str
        `STAGE.kind=KIND` or `STAGE.KEY=VALUE`. A value is read as JSON where it is JSON, and is a text where it is
        none, or where the parameter takes only texts: `track.rate=10`.

    Raises
    ------
    SchemaError
        Not of this form, a setting twice, an unknown stage, kind or key; all at once. Whether a value fits, and
        whether what the recipe says fits to another kind, `resolve` tells.
    PluginError
        A stage that cannot be imported.

    Examples
    --------
    >>> with_settings(Recipe(), ["track points"])
    Traceback (most recent call last):
    lapsdata.errors.SchemaError: track points: expected STAGE.KEY=VALUE, got 'track points'; ... [wrong-setting]
    >>> recipe = with_settings(Recipe(), ["track.points=100", "track.rate=10"])
    >>> recipe.stages["track"].params
    {'points': 100, 'rate': '10'}
    """
    problems = Problems()
    given = _parsed(settings, problems)
    stages = dict(recipe.stages)
    errors: list[LapsError] = []
    for name in given:
        try:
            stages[name] = _changed(load_stage(name), stages.get(name, StageChoice()), given[name], problems)
        except LapsError as error:
            errors.append(error)
    _raise_all(problems, errors)
    return recipe.model_copy(update={"stages": stages})


def _parsed(settings: Iterable[str], problems: Problems) -> dict[str, dict[str, str]]:
    """Return the text of each value, by stage and key."""
    given: dict[str, dict[str, str]] = {}
    for setting in settings:
        place, equals, value = setting.partition("=")
        name, _, key = place.strip().partition(".")
        if not (equals and name and key):
            message = f"expected STAGE.KEY=VALUE, got '{setting}'"
            problems.add("wrong-setting", place.strip() or setting, message, "write it as in track.points=100")
        elif key in given.setdefault(name, {}):
            problems.add("wrong-setting", f"{name}.{key}", "expected each setting once, got it twice", "keep one")
        else:
            given[name][key] = value
    return given


def _changed(stage: Stage, choice: StageChoice, given: Mapping[str, str], problems: Problems) -> StageChoice:
    """Return the choice of a stage with what is given put into it."""
    kind = given.get("kind", choice.kind or stage.default)
    texts = {key: text for key, text in given.items() if key != "kind"}
    found = problems_of(stage, kind, dict.fromkeys(texts))
    unknown = [problem for problem in found if problem.code in {"unknown-key", "unknown-kind"}]
    problems.extend(unknown)
    if unknown:
        return choice
    values = {key: _value(stage, kind, key, text, problems) for key, text in texts.items()}
    changed = {"kind": given.get("kind", choice.kind), "params": {**choice.params, **values}}
    return choice.model_copy(update=changed).checked(stage.name)


def _value(stage: Stage, kind: str, key: str, text: str, problems: Problems) -> JsonValue:
    def unique(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
        if len(dict(pairs)) < len(pairs):
            problems.add("duplicate-key", f"{stage.name}.{key}", f"expected each key once, got {text}")
        return dict(pairs)

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        value: JsonValue = json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
        # What only looks like a number, 1e999, is none.
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        return text
    takes_text = not isinstance(value, str) and refuses(stage, kind, key, value) and not refuses(stage, kind, key, text)
    return text if takes_text else value


@dataclass(frozen=True, slots=True)
class _Choice:
    kind: str
    options: Record
    told: StageChoice


class Resolved:
    """A recipe that has been checked: for every stage its kind and the record of its parameters, none left open.

    `resolve` makes it.

    Examples
    --------
    >>> Resolved(Recipe(), {}).recipe() == Recipe()
    True
    """

    def __init__(self, recipe: Recipe, choices: Mapping[str, _Choice]) -> None:
        self._recipe, self._choices = recipe, dict(choices)

    @property
    def stages(self) -> tuple[str, ...]:
        """The names of all stages, those of the main job first and in its order."""
        return tuple(self._choices)

    def kind(self, stage: str) -> str:
        """Return the kind of a stage.

        Raises
        ------
        SchemaError
            There is no such stage.
        """
        return self._choice(stage).kind

    def options(self, stage: str) -> Record:
        """Return the record that the parameters of a stage make.

        Raises
        ------
        SchemaError
            There is no such stage.
        """
        return self._choice(stage).options

    def recipe(self) -> Recipe:
        """Return the recipe with every kind and every default spelled out: resolved again, it gives the same."""
        told = {name: choice.told for name, choice in self._choices.items()}
        return self._recipe.model_copy(update={"stages": told})

    def _choice(self, stage: str) -> _Choice:
        if stage not in self._choices:
            raise SchemaError(unknown_stage(stage, self._choices))
        return self._choices[stage]


def resolve(recipe: Recipe) -> Resolved:
    """Check a recipe against the stages, and fill in what it leaves open.

    Parameters
    ----------
    recipe : Recipe

    Returns
    -------
    Resolved
        Of every stage, also of those that the recipe does not name.

    Raises
    ------
    SchemaError
        Unknown stages, kinds and parameters, values of a wrong type or out of range, parameters of another kind than
        the one that is taken; of all stages at once.
    PluginError
        A stage of the main job, or one that the recipe names, cannot be imported; others are only warned of.

    Examples
    --------
    >>> resolve(Recipe(stages={"trakc": StageChoice()}))
    Traceback (most recent call last):
    lapsdata.errors.SchemaError: trakc: expected one of track, ..., got 'trakc'; did you mean 'track'? [unknown-stage]
    """
    names = stage_names()
    problems = Problems()
    problems.extend(unknown_stage(name, names) for name in recipe.stages if name not in names)
    errors: list[LapsError] = []
    choices = {}
    for name in names:
        try:
            chosen = _chosen(load_stage(name), recipe.stages.get(name, StageChoice()), problems)
        except PluginError as error:
            if name in ORDER or name in recipe.stages:
                errors.append(error)
            else:
                warn("; ".join(map(str, error.problems)))
        else:
            if chosen is not None:
                choices[name] = chosen
    _raise_all(problems, errors)
    return Resolved(recipe, choices)


def _chosen(stage: Stage, choice: StageChoice, problems: Problems) -> _Choice | None:
    kind = choice.kind or stage.default
    found = problems_of(stage, kind, choice.params)
    problems.extend(found)
    if found:
        return None
    told = choice.model_copy(update={"kind": kind, "params": stage.told(kind, choice.params)})
    return _Choice(kind, stage.options(kind, choice.params), told)


def _raise_all(problems: Problems, errors: Sequence[LapsError]) -> None:
    """Raise everything that is wrong at once, as what it all is if that is one thing."""
    kinds: set[type[LapsError]] = {type(error) for error in errors} | ({SchemaError} if len(problems) else set())
    for error in errors:
        problems.extend(error.problems)
    if kinds:
        problems.raise_as(kinds.pop() if len(kinds) == 1 else LapsError)


def recipe_yaml(recipe: Recipe, comments: bool = True) -> str:
    """Return a recipe as YAML: equal recipes give equal text, and `load_recipe` gives an equal recipe again.

    Parameters
    ----------
    recipe : Recipe
        Stages come as the main job has them, parameters as the stage has them.
    comments : bool
        Whether the text says what each stage and each parameter is for.

    Examples
    --------
    >>> print(recipe_yaml(Recipe(stages={"mine": StageChoice(params={"word": "no", "least": 1e-7})})), end="")
    format: lapsdata.recipe
    format_version: "1.0"
    stages:
      mine:
        params:
          least: 1.0e-07
          word: "no"
    """
    from lapsdata.stages._recipe_writing import Notes, spelled

    said = {name: _said(name, choice) for name, choice in recipe.stages.items()}
    lines = spelled(
        recipe, ORDER, lambda name: tuple(said[name].params), lambda name: said[name] if comments else Notes()
    )
    return "".join(f"{line}\n" for line in lines)


def _said(name: str, choice: StageChoice) -> Notes:
    """Return what a stage says of itself; nothing where it cannot be asked, which `resolve` tells."""
    from lapsdata.stages._recipe_writing import Notes

    try:
        stage = load_stage(name)
        params = meanings(stage, choice.kind or stage.default)
    except LapsError:
        return Notes()
    kinds = list(stage.kinds())
    return Notes(stage.title + (f" Kinds: {', '.join(kinds)}." if len(kinds) > 1 else ""), params)


def recipe_for(
    videos: FoundVideos, images: FrameRate | None = None, *, looked: Callable[[int], None] = lambda _: None
) -> Advice:
    """Look at videos, and return the recipe that sets what they need: one rate, windows that fit into the shortest.

    Parameters
    ----------
    videos : FoundVideos
        See `lapsdata.video.sources.find_videos`.
    images : FrameRate or None, frames per second
        Rate of folders of images, which carry no time.
    looked : callable
        Is called with 1 after each video.

    Returns
    -------
    Advice
        With what was found, reasons, and videos that cannot be read or are of no use to a run.

    Raises
    ------
    LapsError
        None of the videos can be read.
    PluginError
        The stage `track` cannot be imported.

    Examples
    --------
    >>> import tempfile
    >>> from lapsdata.testing.scenes import SceneConfig, render_scene
    >>> from lapsdata.timebase import FrameRate
    >>> from lapsdata.video.sources import find_videos
    >>> folder = Path(tempfile.mkdtemp())
    >>> for rate in (10, 20):
    ...     render_scene(5, SceneConfig(actions=1, rate=FrameRate(rate))).write_video(folder / f"{rate}.mp4")
    >>> recipe_for(find_videos(folder)).recipe.stages["track"].params
    {'rate': '10'}
    """
    from lapsdata.stages._recipe_advice import advise

    return advise(videos, images, looked=looked)


def plan_recipe(recipe: Recipe, folder: Path | str = ".", *, ranks: Sequence[int] = ()) -> RecipePlan:
    """Say what the training of a recipe will do, before a machine is taken for it; no picture is read.

    Parameters
    ----------
    recipe : Recipe
    folder : Path or str
        Where the paths of its sources begin: the folder of the recipe.
    ranks : sequence of int
        Numbers of processes to plan for, beside the one that the recipe says.

    Returns
    -------
    RecipePlan
        Steps, sets and images of each split, sets that are visited, and the learning rate at each epoch's first step.

    Raises
    ------
    SchemaError
        It has no training, or a split that cannot be made: all of them.
    LapsError
        Sources that cannot be read.

    Examples
    --------
    >>> plan_recipe(Recipe())
    Traceback (most recent call last):
    lapsdata.errors.SchemaError: recipe: training: expected a training to plan, got none; write one: ... [no-training]
    """
    from lapsdata.stages._recipe_plan import plan

    return plan(recipe, Path(folder), ranks)

"""States: JSON of one position, refused by every loader of other data or another order, with what differs."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from lapsdata.errors import SchemaError
from lapsdata.loading.loader import Loader
from lapsdata.loading.mixture import Mixture
from lapsdata.loading.source import BatchSpec, FieldSpec
from lapsdata.schema.loader import LoaderState
from lapsdata.testing.numbers import Numbers


class Wider(Numbers):
    @property
    def spec(self) -> BatchSpec:
        return BatchSpec({"row": FieldSpec((4,), np.dtype("f4"), "metre"), "more": FieldSpec((), np.dtype("u1"))})


def state_of(steps: int = 2, **options: Any) -> dict[str, Any]:
    loader = Loader(Numbers(20), **{"batch_size": 4, "shuffle": "global", "seed": 5, "workers": 0, **options})
    for _, _ in zip(range(steps), loader, strict=False):
        pass
    return json.loads(json.dumps(loader.state_dict()))  # type: ignore[no-any-return]  # it is a dictionary


def test_a_state_is_a_record_that_json_keeps() -> None:
    state = state_of()
    assert LoaderState.parse(json.dumps(state)).as_json() == state
    assert (state["epoch"], state["position"], state["round"], state["step"]) == (0, 8, 0, 2)
    assert state["fields"] == {"number": "() int64", "row": "(3,) float32 metre"}


def test_the_end_of_an_epoch_is_the_begin_of_the_next() -> None:
    assert [state_of(5)[key] for key in ("epoch", "position", "round", "step")] == [1, 0, 1, 0]


@pytest.mark.parametrize(
    ("source", "options", "places"),
    [
        (Numbers(20), {"seed": 6}, ["seed"]),
        (Numbers(20), {"shuffle": None}, ["shuffle"]),
        (Numbers(21), {}, ["samples", "source: samples"]),
        (Numbers(20), {"shuffle": "block", "block_rows": 4}, ["shuffle", "source: block_rows", "window_blocks"]),
        (Numbers(20, fingerprint="sha256:1"), {}, ["fingerprint"]),
        (Wider(20), {}, ["fields: more", "fields: number", "fields: row"]),
        (Mixture({"a": Numbers(20)}), {}, ["a: block_rows", "a: parts", "a: samples", "a: share", "exhausted",
                                           "fields: source", "source: block_rows", "source: parts",
                                           "source: samples", "source: share", "sources"]),
    ],
)  # fmt: skip
def test_a_state_of_something_else_is_refused_with_everything_that_differs(
    source: Any, options: dict[str, Any], places: list[str]
) -> None:
    loader = Loader(source, **{"batch_size": 4, "shuffle": "global", "seed": 5, **options})
    with pytest.raises(SchemaError, match=r"expected .* as this loader.* got ") as caught:
        loader.load_state_dict(state_of())
    assert sorted(problem.where for problem in caught.value.problems) == [f"state: {place}" for place in places]
    assert loader.state_dict()["position"] == 0


def test_the_message_names_both_values_and_what_to_do() -> None:
    with pytest.raises(
        SchemaError, match="state: seed: expected 6 as this loader has, got 5; a state belongs to its data, seed"
    ):
        Loader(Numbers(20), batch_size=4, shuffle="global", seed=6).load_state_dict(state_of())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epoch": -1}, "state: epoch: expected greater than or equal to 0, got -1"),
        ({"position": 2.5}, "state: position: expected a valid integer, got 2.5"),
        ({"position": 21}, "state: position: expected up to 20 samples, got 21"),
        ({"positon": 1}, "state: positon: expected a known key, got 'positon'; did you mean 'position'"),
        ({"format_version": "2.0"}, "state: format_version: expected"),
    ],
)
def test_a_state_that_is_none_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        Loader(Numbers(20), batch_size=4, shuffle="global", seed=5).load_state_dict({**state_of(), **change})


@pytest.mark.parametrize(
    "options", [{"batch_size": 3}, {"last": "drop"}, {"steps_per_epoch": 7}, {"workers": 3}, {"fields": ["row"]}]
)
def test_what_does_not_change_the_order_may_differ(options: dict[str, Any]) -> None:
    loader = Loader(Numbers(20), **{"batch_size": 4, "shuffle": "global", "seed": 5, **options})
    loader.load_state_dict(state_of())
    expected = [int(i) for batch in Loader(Numbers(20), batch_size=4, shuffle="global", seed=5) for i in batch["id"]]
    first = next(iter(loader))["id"].tolist()
    assert first == expected[8 : 8 + len(first)]
    assert loader.state_dict()["position"] == 8 + len(first)

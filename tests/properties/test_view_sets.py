"""What holds of sets of views, their batches, plans and folders, whatever they are."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.adapters import write_wai
from lapsdata.errors import SchemaError
from lapsdata.loading import Loader, Mixture, open_view_sets
from lapsdata.loading._view_pixels import ViewPixels, field_specs
from lapsdata.loading.learning_rate import share_of_rate
from lapsdata.loading.view_plan import plan_split
from lapsdata.loading.view_training import epoch_steps, learning_rate, split_loader
from lapsdata.schema import ViewSplit, ViewTraining
from lapsdata.testing.strategies import views as drawn_views
from tests.loading.views_by_hand import PINHOLE, make_views

if TYPE_CHECKING:
    from lapsdata.containers import Views

sizes = st.lists(st.integers(2, 4), min_size=1, max_size=12)


def training_of(**told: Any) -> ViewTraining:
    split = ViewSplit(**{"source": "here", "views": (2, 3, 4), "max_images": 4, "too_few": "fewer", **told})
    return ViewTraining(splits={"train": split}, epochs=3, rate=1e-3, seed=4)


@settings(max_examples=25, deadline=None)
@given(sizes, st.integers(1, 9), st.integers(1, 4), st.none() | st.integers(1, 12), st.none() | st.integers(3, 20))
def test_a_plan_is_what_loaders_of_all_ranks_give(
    views: list[int], images: int, ranks: int, steps: int | None, most: int | None
) -> None:
    training = training_of(max_images=images, steps_per_epoch=steps)
    sets = open_view_sets(make_views(views), views=[2, 3, 4], too_few="fewer", seed=training.seed)
    batches = (sets if most is None else most @ sets).batches(images)
    plan = plan_split(batches, training, "train", (ranks,))
    (of_ranks,) = plan.by_rank
    assert of_ranks.steps == epoch_steps(batches, training, "train", ranks)
    shown: Counter[int] = Counter()
    seen_images, masked = 0, 0
    for rank in range(ranks):
        loader = split_loader(batches, training, "train", rank=rank, world_size=ranks, workers=0,
                              fields=["set", "sets", "views"])  # fmt: skip
        assert len(loader) == training.epochs * of_ranks.steps
        for _, batch in zip(range(of_ranks.steps), loader, strict=False):
            if not batch["valid"][0]:
                masked += 1
                continue
            count = int(batch["sets"][0])
            seen_images += count * int(batch["views"][0])
            shown.update(batch["set"][0, :count].tolist())
    assert (of_ranks.shown, of_ranks.visited, of_ranks.images) == (shown.total(), len(shown), seen_images)
    assert of_ranks.masked == masked
    assert plan.sets == len(views)


@settings(max_examples=40, deadline=None)
@given(sizes, st.integers(1, 9), st.booleans(), st.integers(0, 4))
def test_sizes_of_batches_are_told_without_making_them(
    views: list[int], images: int, shuffle: bool, epoch: int
) -> None:
    draws = open_view_sets(make_views(views), views=[2, 3, 4], too_few="fewer").batches(images, shuffle=shuffle).draws
    every = np.arange(len(draws))
    rows = [draws.rows(int(batch), epoch) for batch in every]
    assert draws.sets_of(every).tolist() == [len(each.set_id) for each in rows]
    assert draws.views_of(every).tolist() == [each.views for each in rows]
    wanted = {(part, one) for each in rows[::2] for part, one in zip(each.part, each.set_id, strict=True)}
    assert draws.visited(every[::2], epoch) == wanted


@settings(max_examples=30, deadline=None)
@given(sizes, st.integers(0, 5), st.integers(0, 3))
def test_a_sample_and_its_place_in_a_batch_are_equal(views: list[int], epoch: int, seed: int) -> None:
    sets = open_view_sets(make_views(views), views=[2, 3, 4], too_few="fewer", seed=seed, pose_frame="first_view")
    batches = sets.batches(6)
    for number in range(len(batches)):
        batch = batches.gather([number], epochs=np.array([epoch]))
        columns = batches.views(batch)
        for place, one in enumerate(batch["set"][0, : int(batch["sets"][0])].tolist()):
            sample = sets.sample(one, epoch=epoch)
            assert len(sample) == len(columns)
            for view, column in zip(sample, columns, strict=True):
                assert all(np.array_equal(view[name], column[name][place]) for name in sets.spec)
                assert all(view[name] == column[name][place] for name in ("label", "instance", "camera_model"))


@settings(max_examples=30, deadline=None)
@given(st.sets(st.sampled_from(sorted(field_specs(PINHOLE.size.frame)))), st.integers(0, 2**5 - 1))
def test_any_fields_are_filled_as_all_of_them_are(asked: set[str], bits: int) -> None:
    lacking = {layer: range(4) for at, layer in enumerate(("valid", "non_ambiguous", "depth")) if bits >> at & 1}
    pixels = ViewPixels(make_views([4], lacking={"valid": (), "non_ambiguous": (), **lacking}), "made")
    spec = field_specs(PINHOLE.size.frame)
    whole, some = ({name: spec[name].empty(4) for name in names} for names in (spec, asked))
    pixels.put([3, 1, 0], whole, [0, 1, 3], "world")
    for values in some.values():
        values[...] = 7
    pixels.put([3, 1, 0], some, [0, 1, 3], "world")
    for name, values in some.items():
        for row in (0, 1, 3):
            assert np.array_equal(values[row], whole[name][row])
        # What nobody asked to be filled stays.
        assert (values[2] == np.full_like(values[2], 7)).all()


@settings(max_examples=20, deadline=None)
@given(drawn_views(max_sets=2))
def test_wai_has_the_poses_lenses_and_depth_of_any_pinhole_views(made: Views) -> None:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "wai"
        kinds = {made.camera_model(view).kind for view in range(len(made))}
        names = list(zip(made.split, made.scenario, made.frame.tolist(), strict=True))
        if kinds != {"pinhole"} or not made.present["image"].all() or len(set(names)) < len(names):
            with pytest.raises(SchemaError, match=r"wrong-camera|no-image|scene-twice"):
                write_wai(target, made, dataset="made")
            return
        write_wai(target, made, dataset="made")
        for place, (split, scenario, frame) in enumerate(names):
            scene = target / "made" / f"{split}_{scenario}_{frame}"
            frames = json.loads((scene / "scene_meta.json").read_text())["frames"]
            for view, told in zip(made.views_of(place), frames, strict=True):
                assert told["transform_matrix"] == made.cam2world[view].tolist()
                lens = made.intrinsics(view)
                assert [told["fl_x"], told["fl_y"], told["cx"], told["cy"]] == [
                    lens[0, 0], lens[1, 1], lens[0, 2], lens[1, 2]]  # fmt: skip
                assert ("depth" in told) == bool(made.present["depth"][view])
                if "depth" in told and made.camera_model(view).depth == "z" and not made.present["valid"][view]:
                    with av.open(str(scene / told["depth"])) as file:
                        (read,) = file.decode(video=0)
                    assert np.array_equal(read.to_ndarray(), made.read("depth", view))


@given(st.integers(1, 50), st.integers(1, 200), st.floats(0, 1), st.floats(0, 1))
def test_a_rate_rises_and_falls_to_its_least_share(epochs: int, steps: int, warm: float, least: float) -> None:
    total = epochs * steps
    shares = [share_of_rate(step, total, "cosine", warm, least_share=least) for step in {0, total // 2, total}]
    assert all(0 <= share <= 1 + 1e-12 for share in shares)
    assert share_of_rate(total, total, "cosine", warm, least_share=least) == pytest.approx(
        least if round(warm * total) < total else 1.0
    )
    splits = {"train": ViewSplit(source="here", views=2, max_images=4, steps_per_epoch=steps)}
    training = ViewTraining(splits=splits, epochs=epochs, rate=2.0, warm_share=warm, least_share=least)
    step = total // 3
    assert learning_rate(training, step, steps) == 2 * share_of_rate(step, total, "cosine", warm, least_share=least)


def test_batches_are_mixed_with_others_of_the_same_arrays() -> None:
    sources = {name: open_view_sets(make_views([2] * 6, first_frame=first), views=2).batches(4)
               for name, first in (("a", 60), ("b", 900))}  # fmt: skip
    mixture = Mixture(sources, weights={"a": 0.5, "b": 0.5})
    seen = Counter(
        int(batch["source"][0]) for batch in Loader(mixture, batch_size=1, shuffle="global", workers=0, fields=None)
    )
    assert seen == {0: 3, 1: 3}

"""What each process of a training does in the tests: it joins the others, and tells what it receives."""

from __future__ import annotations

import json
from pathlib import Path

import torch.distributed as dist

from lapsdata.loading.view_training import learning_rate, open_split, split_loader
from lapsdata.stages.recipe import load_recipe


def run(rank: int, world: int, folder: str, run_name: str, state: str | None, steps: int) -> None:
    """Go `steps` steps of the training of `recipe.yaml`, from a state on, and write what all ranks received."""
    place = Path(folder)
    dist.init_process_group("gloo", init_method=f"file://{place / run_name}.store", rank=rank, world_size=world)
    try:
        training = load_recipe(place / "recipe.yaml").training
        assert training is not None
        batches = open_split(training, "train", place)
        names = ["part", "set", "view", "views", "sets", "depthmap"]
        # Nobody says which rank this is: torch.distributed does.
        loader = split_loader(batches, training, "train", fields=names, workers=1)
        if state is not None:
            loader.load_state_dict(json.loads((place / state).read_text()))
        plan = loader.plan()
        told = []
        done = sum(int(loader.state_dict()[name]) * times for name, times in (("round", plan.steps), ("step", 1)))  # type: ignore[call-overload]
        for batch in loader:
            views = batches.views(batch)
            depth = float(sum(view["depthmap"].sum() for view in views))
            own = [batch["set"][0].tolist(), batch["view"][0].tolist(), depth]
            every: list[object] = [None] * world
            dist.all_gather_object(every, own)
            told.append({"step": done, "rate": learning_rate(training, done, plan.steps), "ranks": every})
            done += 1
            if len(told) == steps:
                break
        if rank == 0:
            found = {"told_by": plan.told_by, "steps": plan.steps, "left": len(loader), "seen": told}
            (place / f"{run_name}.json").write_text(json.dumps(found))
            (place / f"{run_name}.state.json").write_text(json.dumps(loader.state_dict()))
        loader.close()
    finally:
        dist.destroy_process_group()

"""What `lapsdata check` says of real robot episodes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from lapsdata.checks.integrity import check_integrity

if TYPE_CHECKING:
    from pathlib import Path

OF_STATISTICS = ("constant-numbers", "quantiles-of-episodes", "statistics-in-float32")
"""What programs are known to make of statistics: `test_episode_stats` holds each against the rows."""


@pytest.mark.parametrize(
    ("name", "codes", "note"),
    [
        (
            "gr00t_pick_n_place_v20",
            ["no-camera-files", "no-frame-index", "time-offset", "wrong-split", "wrong-total", "wrong-total"],
            "5 episodes, 2096 of 2096 rows read, 5 of 5 videos opened, no frame decoded, statistics of 4 features",
        ),
        ("lerobot_g1_v21", ["missing-episodes"], "3 episodes, 881 of 881 rows read, 3 of 3 videos opened"),
        ("lerobot_pick_v30", [], "5 episodes, 316 of 316 rows read, 10 of 10 videos opened"),
    ],
)
def test_each_fault_once_and_nothing_else(real_data: Path, name: str, codes: list[str], note: str) -> None:
    (item,) = check_integrity([real_data / name]).items
    assert sorted(problem.code for problem in item.problems if problem.code not in OF_STATISTICS) == codes
    assert {one.severity for one in item.problems if one.code in OF_STATISTICS} <= {"info"}
    assert all(problem.fix for problem in item.problems)
    assert item.note.startswith(note)


def test_a_pointer_in_the_place_of_rows_is_named_as_such(real_data: Path) -> None:
    (item,) = check_integrity([real_data / "gr00t_n16_meta/demo_data/cube_to_bowl_5"]).items
    assert item.status == "error"
    assert "git-lfs-pointer" in [problem.code for problem in item.problems]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("gr00t_pick_n_place_v20", {"frame-lag": 1}),
        ("lerobot_g1_v21", {"lag-unknown": 1}),
        ("lerobot_pick_v30", {"frame-lag": 1, "lag-unknown": 1}),
    ],
)
def test_no_false_alarm_about_a_lag(real_data: Path, name: str, told: dict[str, int]) -> None:
    (item,) = check_integrity([real_data / name], decode=True).items
    found = [problem for problem in item.problems if "lag" in problem.code]
    assert Counter(problem.code for problem in found) == told
    assert {problem.severity for problem in found} == {"info"}


def test_demonstrations_that_do_not_say_their_rate(real_data: Path) -> None:
    told = check_integrity([real_data / "robomimic"], rate="20")
    assert [item.note for item in told.items] == [
        "10 episodes, 2163 of 2163 rows read",
        "10 episodes, 2328 of 2328 rows read",
    ]
    assert {item.status for item in told.items} == {"ok"}
    untold = check_integrity([real_data / "robomimic"])
    assert ["--rate" in str(item.problems[0].fix) for item in untold.items] == [True, True]

"""The table of measured figures in the README, made from the results files.

python benchmarks/table.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- benchmarks: written by benchmarks/table.py -->", "<!-- end of benchmarks -->"


def result(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text())
    return document


def rows() -> list[tuple[str, str, str]]:
    """What is measured, the promise, the figure."""
    imports, track, quality, video, compact = map(result, ("import", "track", "track_quality", "video", "compact"))
    cut, job = result("segments"), result("run")
    speed = quality["speed"]
    found = [
        ("`import lapsdata`", f"< {imports['promise_s']['import']} s", f"{imports['median_s']['import']:.3f} s"),
        (
            "`lapsdata track` on 104 s of 256 x 256 video, 10 fps, 400 points, two processes",
            f"<= {track['gr00t']['promise_s']} s",
            f"{track['gr00t']['median_s']:.1f} s",
        ),
        *(
            (f"two processes beside one, {one['video_s']} s of video", f">= {one['promise']} x", f"{one['speed_up']} x")
            for one in track["processes"].values()
        ),
        (
            "largest process, 1 and 10 minutes of video",
            f"<= {track['memory']['promise_mib']} MiB, equal",
            ", ".join(f"{peak} MiB" for peak in track["memory"]["peak_mib_by_minutes"].values()),
        ),
        (
            "`dense_flow` beside `lucas_kanade`, 480 lines",
            f">= {speed['promise_times_lucas_kanade']} x",
            f"{speed['times_dense_flow']['lucas_kanade']} x",
        ),
    ]
    robot, killed = job["gr00t"], job["kills"]
    found += [
        (
            "`lapsdata run` on 104 s of 256 x 256 video, 20 fps, with a trained tokenizer, two cores",
            f"<= {robot['promise_s']} s, {robot['promise_mib']} MiB",
            f"{robot['median_s']} s, {robot['peak_mib']} MiB",
        ),
        (
            "the same again, with nothing to do",
            f"<= {robot['promise_nothing_to_do_s']} s",
            f"{robot['nothing_to_do_s']} s",
        ),
        (
            f"{killed['files']} files after {len(killed['killed_after_s'])} `kill -9`",
            "equal bytes",
            "equal" if killed["equal_bytes"] else "differ",
        ),
        ("`make demo`, after installation", f"<= {job['demo']['promise_s']} s", f"{job['demo']['s']} s"),
    ]
    for kind in ("plain", "hard"):
        scores = {name: row["moving"] for name, row in quality[kind]["rows"].items()}
        for name, score in scores.items():
            figure = f"error {score['median_error_px']:.2f} px, delta_avg {score['delta_avg']:.3f}, "
            figure += f"AJ {score['average_jaccard']:.3f}"
            found.append(
                (f"moving points of 24 {kind} scenes: {name}", "best in each" if name == "dense_flow" else "", figure)
            )
    for title, row in cut["rows"].items():
        best = row["best_chance"]["0.25"]
        promise = f">= {cut['promise']['f_at_0.25_s']}" if title == "per step" else ""
        figure = f"F {row['f']['0.25']:.3f} (best row of chance: {best['f']:.3f})"
        found.append((f"boundaries of 24 scenes within 0.25 s, energies {title}", promise, figure))
    for name, row in video["videos"].items():
        order, at_random = row["in_order"]["rgb"]["times_bare"], row["random"]["times_reopening"]
        promise = f">= {video['promise']['in_order_times_bare']} x, >= {video['promise']['random_times_reopening']} x"
        limit = row["random"]["limit_times_reopening"]
        figure = f"{order:.2f} x, {at_random:.1f} x (decoding and making pictures allow {limit:.1f} x)"
        found.append((f"reading {name} in order beside bare PyAV, at random beside reopening", promise, figure))
    for name, group in compact["groups"].items():
        promise = compact["promise_compact_over_raw"].get(name)
        shares = group["largest_compact_over_raw"]
        figure = f"{max(shares.values()):.1%}"
        found.append((f"`compact` beside `raw`, {name}", f"<= {promise:.0%}" if promise else "", figure))
    return found


def table() -> str:
    lines = ["| what | promise | measured |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows())]
    hardware = result("track")["hardware"]
    lines += [
        "",
        f"On {hardware['cores']} cores ({hardware['processor']}); the scripts stand in `benchmarks/`, the figures",
    ]
    lines += ["in `benchmarks/results/`."]
    return "\n".join(lines)


def with_table(text: str) -> str:
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(with_table(readme.read_text()))

"""The table of measured figures in the README, made from the results files.

python benchmarks/table.py
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- benchmarks: written by benchmarks/table.py -->", "<!-- end of benchmarks -->"
GTEA_BEGIN, GTEA_END = "<!-- gtea: written by benchmarks/table.py -->", "<!-- end of gtea -->"


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
    expected = result("expected_error")
    found += [
        (
            f"error of `{name}` told without a truth, rank correlation with the true one, {row['videos']} scenes",
            f">= {expected['promise_rank_correlation']}",
            "alone {alone:.2f}, beside another tracker {beside_another:.2f}".format(**row["rank_correlation"]),
        )
        for name, row in expected["trackers"].items()
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
    found += [*refined(), *by_codes(), *encoding(), *shaken(), *unmoved(), *robot_state(), *gripper(), *scoring()]
    for name, row in video["videos"].items():
        order, at_random = row["in_order"]["rgb"]["times_bare"], row["random"]["times_reopening"]
        promise = f">= {video['promise']['in_order_times_bare']} x, >= {video['promise']['random_times_reopening']} x"
        limit = row["random"]["limit_times_reopening"]
        figure = f"{order:.2f} x, {at_random:.1f} x (decoding and making pictures allow {limit:.1f} x)"
        found.append((f"reading {name} in order beside bare PyAV, at random beside reopening", promise, figure))
    found += [*loading(), *rivals(), *more_loading(), *robot_steps(), *panoramas(), *tracking(), *pages(), *view_sets()]
    for name, group in compact["groups"].items():
        promise = compact["promise_compact_over_raw"].get(name)
        shares = group["largest_compact_over_raw"]
        figure = f"{max(shares.values()):.1%}"
        found.append((f"`compact` beside `raw`, {name}", f"<= {promise:.0%}" if promise else "", figure))
    return found


def refined() -> list[tuple[str, str, str]]:
    """What refinements gain over a baseline, and other ways to cut beside them."""
    told, found = result("refinements"), []
    for kind, one in told["kinds"].items():
        f = {name: " / ".join(f"{value:.2f}" for value in row["f"].values()) for name, row in one["rows"].items()}
        what = f"boundaries of {told['scenes']['scored']} {kind} scenes within 0.25 / 0.5 / 1 s, settings chosen on "
        what += f"{told['scenes']['chosen on']} others"
        gains = ", ".join(f"{name} {f[name]}" for name in ("+ fusion", "+ cap", "+ refinement", "+ all"))
        alone = ", ".join(
            f"{name} {f[name]}" for name in ("0.3 s alone", "0.3 s + refinement", "0.1 s alone", "0.1 s + cap")
        )
        figure = f"windows of 1.5 s F {f['baseline, 1.5 s']}, {gains}; what fusion adds: {alone}"
        found.append((f"{what}: state machine", "", figure))
        others = [name for name in f if name.startswith(("kernel_cpd", "abd", "peaks", "uniform", "random"))]
        found.append(
            (f"{what}: other segmenters", "", ", ".join(f"{name.replace(', ', ' on ')} {f[name]}" for name in others))
        )
    return found


def by_codes() -> list[tuple[str, str, str]]:
    """Boundaries found by the codes of a tokenizer."""
    told = result("tokens")
    rows = {name: f"{row['f']['0.25']:.3f}" for name, row in told["rows"].items()}
    support = told["rows"]["quantized"]["support_s"]
    scenes = told["scenes"]
    what = (
        f"boundaries of {scenes['measured on']} scenes within 0.25 s, by latents of a small tokenizer, "
        f"{told['steps']} steps on {scenes['trained on']} other scenes"
    )
    figure = (
        f"F {rows['quantized']} (quantized), {rows['prequant']} (before); speed of points over the same "
        f"{support:.2g} s {rows['velocity, equal support']}, over one step {rows['velocity']}"
    )
    return [(what, ">= speed of points over the same time", figure)]


def encoding() -> list[tuple[str, str, str]]:
    """Files of tracks to files of tokens, beside the model alone."""
    told, found = result("encode"), []
    load = told["load_before"]
    busy = f"; measured beside the work of others, load {load}" if load > 1 else ""
    for preset, row in told["presets"].items():
        per_s, share = row["windows_per_s"], row["share_of_model"]
        one, two = "one process, model on one thread", "two processes"
        rate = {way: f"{count:,.0f} windows/s" for way, count in per_s.items()}
        figure = f"one process {share[one]:.2f} ({rate['encode, one process']}), where the thread of the model allows "
        figure += f"{row['one_process_allows']:.2f}; two beside two with the model {share[two]:.2f} "
        figure += f"({rate['encode, two processes']}), where all the work allows {row['two_processes_allow']:.2f}{busy}"
        found.append((f"`lapsdata encode`, preset {preset}, beside its model alone", f">= {told['promise']} x", figure))
    return found


def unmoved() -> list[tuple[str, str, str]]:
    """What stays as it is where a video is changed."""
    told = result("invariance")
    card, scenes = told["cards"]["scenes"], told["scenes"]
    of = f"{scenes['measured on']} scenes of {scenes['frames per second']} frames per second"
    kept, codes = [], []
    for name, words in CHANGES.items():
        row = card["rows"][name]
        cut = row["boundaries"]
        kept.append(f"{words} {cut['matched']:.2f} ({cut['matched_by_chance']:.2f})")
        if "codes" in row:
            share, chance = row["codes"]["single_codes"]
            codes.append(f"{words} {share:.2f} ({chance:.2f})")
    small = f"small tokenizer, {told['steps']} steps on {scenes['trained on']} other scenes"
    return [
        (f"share of the boundaries of {of} that stay within 0.25 s, {small} (by chance)", "", ", ".join(kept)),
        (f"share of its codes that stay the same at the same time, {of} (by chance)", "", ", ".join(codes)),
    ]


CHANGES = {
    "fps_10": "10 fps",
    "fps_15": "15 fps",
    "half_size": "half size",
    "mirrored": "mirrored",
    "letterboxed": "between bars",
    "noisy": "noise of 5 levels",
    "reversed": "backwards",
}


def scoring() -> list[tuple[str, str, str]]:
    """How fast boundaries are scored."""
    told = result("scores")
    promise, found = told["promise"], []
    for row in told["matching"]:
        times = row["times_mir_eval"]
        what = f"boundary matching beside `mir_eval`, {row['boundaries']:.0f} boundaries, within {row['within_s']:g} s"
        figure = f"{times['the loop over draws']:.0f} x in draws, {times['boundary_scores']:.1f} x by one call"
        found.append((what, f">= {promise['matching_times_mir_eval']} x in draws", figure))
    every = "beside every row of chance, one core"
    gtea, breakfast = told["gtea"], told["breakfast"]
    generated = f"{breakfast['videos']:,} generated videos like Breakfast's"
    return [
        *found,
        (f"boundary scores of GTEA's four splits, {every}", f"<= {promise['gtea_s']} s", f"{gtea['s']} s"),
        (f"the same with labels, whole segments and clusters, {every}", *_all_of_gtea()),
        (f"boundary scores of {generated}, {every}", "", f"{breakfast['s']} s"),
    ]


def _all_of_gtea() -> tuple[str, str]:
    told = result("gtea")
    return f"<= {told['promise_s']} s", f"{told['seconds']} s"


def gripper() -> list[tuple[str, str, str]]:
    """Switches of a robot's gripper, beside what is known of other demonstrations."""
    told = result("robomimic")
    what = f"{told['switches']} gripper switches in {told['demonstrations']} demonstrations"
    found = []
    for title, at in itertools.product(("with fingers", "without fingers"), ("0.25", "0.5")):
        rows = told[title]["rows"]
        best = {
            kind: max((row["f"][at], name) for name, row in rows.items() if name.startswith("velocity") == speed)
            for kind, speed in (("latents", False), ("speed", True))
        }
        chance = rows[best["latents"][1]]["best_chance"][at]
        figure = ", ".join(f"{kind} at most F {f:.3f} ({name})" for kind, (f, name) in best.items())
        figure += f"; best row of chance {chance['f']:.3f} ({chance['row']})"
        found.append((f"{what} within {at} s, by known points {title}", "", figure))
    return found


def shaken() -> list[tuple[str, str, str]]:
    """What a shaking camera costs."""
    told = result("ego_motion")
    return [
        (
            f"F within 0.25 s lost by a camera that shakes by {shake} px, {told['scenes']} scenes",
            f"<= {told['promise']['residual_loses_at_most']}",
            f"{lost['residual']:.3f} with its motion taken off, {lost['raw']:.3f} without",
        )
        for shake, lost in told["lost_f_at_0.25_s"].items()
        if shake != "0"
    ]


def robot_state() -> list[tuple[str, str, str]]:
    """What energies and tokens say of a robot's own state."""
    told = result("robot_state")
    what = f"rank correlation with the speed of the right arm, {told['episodes']} episodes of GR00T"
    found = []
    for name in ("velocity_step", "token_diff_step quantized", "token_diff_step prequant"):
        row = told["energies"][name]
        figure = f"{row['spearman']['least']:.2f} to {row['spearman']['most']:.2f}"
        found.append((f"{what}: {name}", "", figure))
    plain = [one["spearman"] for one in told["plain_dense_flow"].values()]
    found.append((f"{what}: plain dense flow of the whole picture", "", f"{min(plain):.2f} to {max(plain):.2f}"))
    rows = told["probe"]["step"]["rows"]
    names = ("tokens", "tracks", "raw_flow", "random_projection_tokens", "time", "shuffled_tokens")
    figure = ", ".join(f"{name} {rows[name]['r2']:.2f}" for name in names)
    groups = len(told["probe"]["step"]["groups"])
    what = f"R² to the 7 velocities of the arm's joints, {groups} groups of episodes held out as a whole"
    return [*found, (what, "", figure)]


def loading() -> list[tuple[str, str, str]]:
    """Our reader beside memory, batches of 64."""
    measured, found = result("windows"), []
    ways: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in measured["ours"]:
        if row["batch"] == 64 and row["promise_times_take"] is not None:
            ways.setdefault((row["verification"], row["threads"], row["promise_times_take"]), []).append(row)
    for (way, threads, promise), alike in ways.items():
        figures = ", ".join(f"{row['kind']} {row['times_take']:.2f}" for row in alike)
        name = f"random windows beside `np.take` in memory, verification {way}, {THREADS[threads]}"
        limits = [row for row in measured["limits"] if row["threads"] == threads]
        allowed = ", ".join(f"{row['kind']} {row['times_take'][way]:.2f}" for row in limits)
        found.append((name, f">= {promise} x", f"{figures} (the system alone allows {allowed})"))
    for row in measured["ours"]:
        if row["batch"] == 64 and row["kind"] == "zarr_compact":
            promise = f">= {measured['promise_compact_windows_per_s']:,} windows/s" if row["threads"] == 2 else ""
            name = f"random windows of compact Zarr, verified, {THREADS[row['threads']]}"
            found.append((name, promise, f"{row['windows_per_s']:,} windows/s"))
    return found


def rivals() -> list[tuple[str, str, str]]:
    """The same windows by others, and how much faster ours are."""
    measured, found = result("windows"), []
    for row in measured["rivals"]:
        if row["batch"] == 64:
            slow, fast = row["ours_times_this"].values()
            figure = f"{row['windows_per_s']:,.0f} windows/s; ours {slow:,} x (first epoch) to {fast:,} x"
            name = f"random windows by {row['title']}, {'verified' if row['verifies'] else 'unverified'}"
            found.append((name, f">= {row['promise']} x" if row["promise"] else "", figure))
    cold = measured["cold"]["rows"]
    others = {name: value for name, value in cold.items() if "thread" not in name}
    best = max(others, key=lambda name: others[name])
    own = ", ".join(f"{kind} {cold[f'{kind}, 2 threads']:,.0f}" for kind in RAW)
    figure = f"windows/s: {own}; the fastest other, {best}: {others[best]:,.0f}"
    found.append(("random windows from files out of memory, verified, two threads", "", figure))
    shared = measured["shared_chunks"]
    for shuffle, row in shared["rows"].items():
        promise = f">= {shared['promise_times_loop']} x" if shuffle == "block" else ""
        figure = f"{row['windows_per_s']:,.0f} windows/s, {row['times_loop']} x the loop that opens a file per sample"
        figure += f"; {row['decoded_per_window']} decoded for each"
        name = f"`Loader` on gzip HDF5 with automatic chunks, shuffled within {row['shuffle_window']:,}"
        found.append((name, promise, figure))
    return found


def more_loading() -> list[tuple[str, str, str]]:
    """Streams, catalogs, frames, and a model that waits."""
    streams, catalog, frames, fed = map(result, ("stream", "catalog", "frames", "feeding"))
    read, opened = catalog["reading"], catalog["opening"]
    row, promise = streams["rows"]["archives"], catalog["promise"]
    found = [
        (
            "our tars read along, verified, beside `webdataset` with `.decode()`",
            f">= {streams['promise_times_webdataset']} x",
            f"{row['windows_per_s']:,} windows/s, {row['times_webdataset']} x",
        ),
        (
            f"{read['files']:,} files in global order, by a catalog with its index",
            f">= {promise['windows_per_s']:,} windows/s",
            f"{read['rows']['catalog with index']['windows_per_s']:,.0f} windows/s",
        ),
        (
            f"opening a catalog of {opened['items']:,} items, {opened['windows']:,} windows",
            f"<= {promise['open_s']:g} s, {promise['open_mb']:g} MB",
            f"{opened['open_s']:.2f} s, {opened['peak_mb']:.0f} MB",
        ),
    ]
    for name, video in frames["videos"].items():
        times = video["rows"]
        kinds = (
            "tracks alone",
            "with frames, nothing kept",
            "with frames, kept",
            "with frames, a video for each sample",
        )
        figure = "; ".join(f"{kind} {times[kind]['ms_per_batch']:.2f} ms" for kind in kinds)
        found.append((f"a batch of {frames['batch']} windows, {name}", "", figure))
    name = "share of its training time for which the small tokenizer waits for a `Loader`"
    return [*found, (name, f"< {fed['promise']:.0%}", f"{fed['waited_share']:.2%}")]


def robot_steps() -> list[tuple[str, str, str]]:
    """Robot steps beside other loaders, and a large data set that is opened."""
    told = result("episodes")
    promise, opened, order = told["promise"], told["opening"], told["in_order"]
    found = []
    for name, what in (("global", "in random order"), ("grouped", "episode after episode, shuffled within")):
        ways = told["random"][name]
        figure = "; ".join(
            f"{way} {row['samples_per_s']:,}/s, {row['times_lerobot']} x"
            + (f", hit rate {row['hit_rate']:.2f}" if "hit_rate" in row else "")
            for way, row in ways.items()
        )
        title = f"robot steps of a LeRobot set, {what}, beside lerobot 0.4.4 ({told['lerobot_per_s']}/s, recorded)"
        found.append((title, f">= {promise[name]} x", figure))
    figure = f"{order['times_bare_pyav']} x ({order['frames_per_s']:,} frames/s)"
    found.append(("frames of robot steps in order beside bare PyAV", f">= {promise['in_order']} x", figure))
    other = told["torchcodec"]
    ways = {"global": "batches in random order", "grouped": "grouped batches"}
    figure = "; ".join(
        [f"frames in order, no cache {other['beside']['in order']['times_pyav']} x"]
        + [
            f"{what} {row['times_pyav']} x, hit rate {row['hit_rate_torchcodec']:.2f} (PyAV {row['hit_rate_pyav']:.2f})"
            for what, row in ((what, other["beside"][name]) for name, what in ways.items())
        ]
    )
    found.append((f"robot steps by torchcodec {other['version']}, FFmpeg {other['ffmpeg']}, beside PyAV", "", figure))
    title = f"opening a LeRobot set of {opened['episodes']:,} episodes"
    figure = f"{opened['open_s']} s, {opened['process_mb']} MB"
    found.append((title, f"<= {promise['open_s']:g} s, {promise['open_mb']} MB", figure))
    return found


def panoramas() -> list[tuple[str, str, str]]:
    """Pictures of four cameras made into one."""
    told = result("panorama")
    promises = {"colours and depth": f">= {told['promise']}/s by the busier thread"}
    return [
        (
            f"panoramas of 1008 x 252, four cameras of 800 x 600: {name}",
            promises.get(name.partition(",")[0], ""),
            ", ".join(f"{threads} {rate:.0f}/s" for threads, rate in row.items()),
        )
        for name, row in told["per_second"].items()
    ]


def tracking() -> list[tuple[str, str, str]]:
    """Scores of tracking beside TrackEval, and boxes drawn on frames."""
    told, drawn = result("mot"), result("overlay")
    promise, large, fresh = told["promise"], told["large"], told["fresh"]
    version = told["versions"]["trackeval"]
    sizes = {"large": "one sequence", "seven": "seven sequences"}
    counted = {name: f"{what}, {told[name]['ours']['counts']['GT_Dets']:,} true boxes" for name, what in sizes.items()}
    found = [
        (
            f"HOTA, CLEAR and Identity beside TrackEval {version}, one core, {what}",
            f">= {promise['times_trackeval']} x",
            f"{told[name]['times_trackeval']} x ({told[name]['ours']['s']:.2f} s)",
        )
        for name, what in counted.items()
    ]
    found += [
        (
            f"texts of MOTChallenge to checked boxes, beside what TrackEval reads of them, {what}",
            f">= {promise['parse_times_trackeval']} x",
            f"{told[name]['parse_times_trackeval']} x",
        )
        for name, what in counted.items()
    ]
    title = f"largest process that scores {counted['large']}"
    found.append((title, f"<= {promise['large_mb']} MB", f"{large['ours']['peak_mb']:.0f} MB"))
    floor = fresh["floor"]["processor_s"]["all"]
    figure = f"{fresh['processor_s']['all']:.2f} s of the processor, of which Numba alone takes {floor:.2f} s"
    found.append((f"a new process that reads and scores {counted['seven']}", f"<= {promise['fresh_s']} s", figure))
    size = " x ".join(map(str, drawn["size"]))
    for what, row in drawn["rows"].items():
        figure = ", ".join(f"{kind} {row[kind]['frames_per_s']:.0f}/s" for kind in ("images", "video"))
        found.append((f"`lapsdata overlay` of {what} at {size}", f">= {drawn['promise_frames_per_s']}/s", figure))
    return found


def pages() -> list[tuple[str, str, str]]:
    """A page of views in a browser."""
    told = result("views_report")
    promise, first = told["promise"], told["first_picture_s"]
    width, height = told["panorama"]
    figure = (
        f"{told['bytes'] / 1e6:.1f} MB, {first['median']:.1f} s (longest of {told['runs']}: {first['longest']:.1f} s)"
    )
    busy = f"; measured beside the work of others, load {told['load']}" if told["load"] > 1 else ""
    return [
        (
            f"page of {told['agents']} agents, panoramas of {width} x {height}, and a prediction: size, first picture",
            f"<= {promise['bytes'] / 1e6:g} MB, {promise['first_picture_s']:g} s",
            f"{figure}{busy}",
        )
    ]


RAW = ("zarr_raw", "hdf5_contiguous", "hdf5_windows", "shards")
THREADS = {1: "one thread", 2: "two threads"}


def view_sets() -> list[tuple[str, str, str]]:
    """Sets of views."""
    told = result("views")
    rates = ", ".join(f"{name} {rate:,.0f}/s" for name, rate in told["per_second"].items())
    promise, memory = told["promise"], told["memory"]
    least, most = f">= {promise['sets_per_second']}/s by the processor", f"< {promise['memory_growth']:+.0%}"
    return [
        ("sets of 4 panoramas of 1008 x 252, from our files", least, rates),
        ("memory after 10,000 samples of views beside 1,000", most, f"{memory['growth']:+.1%}"),
    ]


def table() -> str:
    lines = ["| what | promise | measured |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows())]
    hardware = result("track")["hardware"]
    lines += [
        "",
        f"On {hardware['cores']} cores ({hardware['processor']}); the scripts stand in `benchmarks/`, the figures",
    ]
    lines += ["in `benchmarks/results/`."]
    return "\n".join(lines)


def gtea_table() -> str:
    """GTEA's test videos: a model, chance and published numbers side by side."""
    columns = ("F1@2s", "F1@5s", "AP@0.5", "AP@0.75", "F@0.5s", "F@1s", "F@2s", "accuracy", "edit", "F@50")
    lines = [f"| | what it is | {' | '.join(columns)} |", f"|---|---|{'---|' * len(columns)}"]
    for name, row in result("gtea")["rows"].items():
        numbers = (f"{row[column]:.3f}" if column in row else "" for column in columns)
        lines.append(f"| {name} | {row['kind']} | {' | '.join(numbers)} |")
    return "\n".join(lines)


def with_table(text: str) -> str:
    for begin, end, made in ((BEGIN, END, table()), (GTEA_BEGIN, GTEA_END, gtea_table())):
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}\n{made}\n{end}{after}"
    return text


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(with_table(readme.read_text()))

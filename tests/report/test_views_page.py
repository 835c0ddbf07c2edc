"""The page of views, opened and clicked in a browser that may ask no network."""

from __future__ import annotations

import dataclasses
import io
import json
import re
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from lapsdata import formats
from lapsdata.containers import LAYERS, HeldPixels
from lapsdata.report.view_pictures import depth_colours
from lapsdata.report.views_page import plotly_source
from lapsdata.stages import _view_pages
from lapsdata.stages._matched_views import open_views
from lapsdata.stages.views_report import ViewsReportOptions, ViewsSource, write_views_report
from lapsdata.testing.opv2v_scenes import Opv2vScene, write_opv2v
from lapsdata.testing.samples import sample_views

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from playwright.sync_api import Browser, Page

SCENE = Opv2vScene("train", "2021_08_22_21_41_24", ("641", "-1"), (69, 71), size=(48, 36))
FACTOR = 1.25


class Opened(NamedTuple):
    """A page in a browser, what it asked for, and what it complained about."""

    page: Page
    asked: list[str]
    told: list[str]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Page of two sets of two agents, with a prediction whose cameras are 3 m higher and whose depth is off."""
    folder = tmp_path_factory.mktemp("page")
    write_opv2v(folder / "opv2v", [SCENE], depth_root=folder / "depth", depth="npy")
    views = open_views(folder / "opv2v", "truth", depth_root=folder / "depth").views
    poses = views.cam2world.copy()
    poses[:, 1, 3] -= 3
    depth = tuple((views.read("depth", view) * FACTOR).astype(np.float32) for view in range(len(views)))
    layers: dict[Any, Any] = {"depth": depth, "non_ambiguous": tuple((one > 0) & (one < 20) for one in depth)}
    present = {layer: np.full(len(views), layer in layers) for layer in LAYERS}
    made = dataclasses.replace(views, cam2world=poses, present=present, pixels=HeldPixels(layers))
    formats.write(folder / "pred.h5", made)
    source = ViewsSource(folder / "opv2v", folder / "pred.h5", indexes=(0, 1), depth_root=folder / "depth")
    write_views_report(source, folder / "page.html", options=ViewsReportOptions(pose_source="pred", points=4000))
    return folder / "page.html"


@pytest.fixture(scope="module")
def opened(browser: Browser, written: Path) -> Iterator[Opened]:
    page = patient(browser, 1000, 700)
    asked: list[str] = []
    told: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("console", lambda message: told.append(message.text) if message.type in {"error", "warning"} else None)
    made = Opened(page, asked, told)
    gone_to(made, written)
    yield made
    page.close()


def patient(browser: Browser, width: int, height: int) -> Page:
    """Return a page that waits as long as a busy machine needs."""
    page = browser.new_page(viewport={"width": width, "height": height})
    page.set_default_timeout(120_000)
    return page


def gone_to(opened: Opened, path: Path) -> Page:
    """Return the page with what stands at a path now, when all of it is drawn."""
    opened.page.goto(path.as_uri())
    opened.page.wait_for_function("performance.getEntriesByName('cloud').length === 1")
    return opened.page


def until(holds: Callable[[], bool]) -> None:
    """Wait for what is drawn some time after it was asked for."""
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end, "it was not drawn"


def complaints(opened: Opened) -> list[str]:
    """Return what went wrong, other than that there is no graphics card."""
    return [one for one in opened.told if "Canvas2D" not in one and "GPU stall" not in one]


def ranges(page: Page) -> list[tuple[list[float], list[float]]]:
    """Return what part each picture shows, along x and y."""
    found: list[Any] = page.evaluate(
        "() => { const all = document.getElementById('pictures')._fullLayout;"
        " return all._subplots.cartesian.map((one) => { const [x, y] = one.slice(1).split('y');"
        " return [all['xaxis' + x].range.slice(), all['yaxis' + y].range.slice()]; }); }"
    )
    return [(x, y) for x, y in found]


def traces(page: Page) -> list[dict[str, Any]]:
    """Return the lines and points of the cloud."""
    found: list[dict[str, Any]] = page.evaluate(
        "() => document.getElementById('cloud').data.map((one) => ({ mode: one.mode, name: one.name,"
        " count: one.x.length, colour: one.mode === 'lines' ? one.line.color : null,"
        " up: Array.from(one.z).filter((value) => value !== null), x: Array.from(one.x), y: Array.from(one.y) }))"
    )
    return found


def titles(page: Page) -> list[str]:
    found: list[str] = page.evaluate(
        "() => document.getElementById('pictures').layout.annotations.map((one) => one.text)"
    )
    return found


def picture(page: Page, number: int) -> dict[str, float]:
    """Return where a picture stands on the screen."""
    tail = "" if number == 1 else number
    place = page.locator(f"#pictures .draglayer .x{tail}y{tail} .nsewdrag").first
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    assert box is not None
    return dict(box)


def pixels(page: Page, box: dict[str, Any]) -> NDArray[np.uint8]:
    """Return a part of the screen as RGB."""
    shot = page.screenshot(clip=box)  # type: ignore[arg-type]
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"))


def test_it_asks_for_nothing_but_itself_and_nothing_goes_wrong(opened: Opened, written: Path) -> None:
    assert {url for url in opened.asked if not url.startswith(("data:", "blob:"))} == {written.as_uri()}
    assert complaints(opened) == []
    assert written.stat().st_size < 6_000_000


def test_its_first_pictures_need_no_script(browser: Browser, written: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(written.as_uri())
    boxes = [image.bounding_box() for image in page.locator("#pictures > img").all()]
    assert len(boxes) == 2
    assert all(box is not None and box["width"] > 300 and box["height"] > 200 for box in boxes)
    context.close()


def test_each_agent_has_three_pictures_and_three_of_its_prediction(opened: Opened) -> None:
    assert titles(opened.page) == [
        text
        for agent in ("641", "-1")
        for text in (
            *(f"picture · agent {agent}", f"depth · agent {agent}, truth", f"mask · agent {agent}, truth"),
            f"predicted / true depth · agent {agent}",
            *(f"{name} · agent {agent}, prediction" for name in ("depth", "mask")),
        )
    ]
    boxes: list[dict[str, float]] = opened.page.evaluate(
        "() => [...document.querySelectorAll('#pictures .draglayer .nsewdrag')]"
        ".map((one) => one.getBoundingClientRect())"
        ".map(({ left, right, top, bottom }) => ({ left, right, top, bottom }))"
    )
    assert len(boxes) == 12
    for place, box in enumerate(boxes):
        assert box["bottom"] - box["top"] == pytest.approx((box["right"] - box["left"]) * 36 / 48, rel=0.02)
        for other in boxes[place + 1 :]:
            beside = box["right"] <= other["left"] + 1 or other["right"] <= box["left"] + 1
            assert beside or box["bottom"] < other["top"] or other["bottom"] < box["top"]


def test_colours_on_the_screen_are_those_of_the_files(opened: Opened) -> None:
    opened.page.evaluate("scrollTo(0, 0)")
    image, depth = SCENE.picture("641", 69, 0)
    shown = pixels(opened.page, picture(opened.page, 1))
    at = lambda x, y: shown[int((y + 0.5) / 36 * shown.shape[0]), int((x + 0.5) / 48 * shown.shape[1])]  # noqa: E731
    for x, y in ((4, 3), (40, 4), (24, 3)):
        assert np.abs(at(x, y).astype(int) - image[y, x]).max() < 25
    shown = pixels(opened.page, picture(opened.page, 2))
    known = depth_colours().astype(int)
    for x, y in ((6, 33), (24, 30), (42, 34)):
        step = np.abs(known - at(x, y)).sum(axis=1).argmin()
        assert 80 ** (step / 254) == pytest.approx(depth[y, x], rel=0.1)


def test_a_box_in_one_picture_zooms_all_and_a_double_click_goes_back(opened: Opened) -> None:
    page = opened.page
    page.evaluate("scrollTo(0, 0)")
    whole = ranges(page)
    assert len(whole) == 12
    assert all(x == [-0.5, 47.5] and y == [35.5, -0.5] for x, y in whole)
    box = picture(page, 2)
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 0.25 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 0.75 * box["height"], steps=4)
    page.mouse.up()
    page.wait_for_function("document.getElementById('pictures')._fullLayout.xaxis12.range[0] > 5")
    near = ranges(page)
    assert all(one == near[0] for one in near)
    assert near[0][0] == pytest.approx([11.5, 35.5], abs=1.5)
    assert near[0][1] == pytest.approx([26.5, 8.5], abs=1.5)
    page.mouse.dblclick(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    page.wait_for_function("document.getElementById('pictures')._fullLayout.xaxis12.range[0] < 0")
    assert ranges(page) == whole


def test_depth_is_read_where_one_points(opened: Opened) -> None:
    page = opened.page
    depth = SCENE.depth("641", 69, 0)
    for number, factor in ((2, 1.0), (5, FACTOR)):
        box = picture(page, number)
        page.mouse.move(box["x"] + 24.5 / 48 * box["width"], box["y"] + 32.5 / 36 * box["height"])
        page.wait_for_function("/about/.test(document.getElementById('pixel').textContent)")
        told = re.search(r"pixel (\d+), (\d+), about ([\d.]+) m", page.inner_text("#pixel"))
        assert told is not None
        assert (int(told[1]), int(told[2])) == (24, 32)
        assert float(told[3]) == pytest.approx(depth[32, 24] * factor, rel=0.02)
        page.mouse.move(0, 0)
        page.evaluate("document.getElementById('pixel').textContent = ''")
    box = picture(page, 4)
    page.mouse.move(box["x"] + 24.5 / 48 * box["width"], box["y"] + 32.5 / 36 * box["height"])
    page.wait_for_function("/times as far/.test(document.getElementById('pixel').textContent)")
    assert float(page.inner_text("#pixel").split("about ")[1].split()[0]) == pytest.approx(FACTOR, rel=0.01)


def test_points_follow_the_poses_that_are_chosen(opened: Opened) -> None:
    page = opened.page
    page.locator("#depths input[value=gt]").check()
    page.locator("#poses input[value=pred]").check()
    raised = [one for one in traces(page) if one["mode"] == "markers"]
    page.locator("#poses input[value=gt]").check()
    true = [one for one in traces(page) if one["mode"] == "markers"]
    assert [one["count"] for one in true] == [one["count"] for one in raised]
    for one, other in zip(true, raised, strict=True):
        np.testing.assert_allclose(np.array(other["up"]) - one["up"], 3, atol=1e-3)
        # The road is at 0, and nothing is below it.
        assert min(one["up"]) == pytest.approx(0, abs=0.02)
        np.testing.assert_allclose(one["x"], other["x"], atol=1e-3)


def test_points_are_those_of_the_scene(opened: Opened) -> None:
    page = opened.page
    page.locator("#depths input[value=gt]").check()
    page.locator("#poses input[value=gt]").check()
    page.locator("#share").fill("7")
    (mine, _) = (one for one in traces(page) if one["mode"] == "markers")
    points = np.stack([mine["x"], mine["y"], mine["up"]], axis=-1)
    boxes = SCENE.street(69).blocks
    # Each point is on the road or in a block: x ahead, y right and z up in CARLA's axes are z, x and up here.
    own = points[:, [1, 0, 2]]
    on_something = np.abs(own[:, 2]) < 0.05
    for block in boxes:
        turn, place = np.radians(block.pose[3:]), own - block.pose[:3]
        ahead = np.cos(turn[1]) * place[:, 0] + np.sin(turn[1]) * place[:, 1]
        right = np.cos(turn[1]) * place[:, 1] - np.sin(turn[1]) * place[:, 0]
        inside = np.abs(np.stack([ahead, right, place[:, 2]], axis=-1)) <= block.half + 0.3
        on_something |= inside.all(axis=-1)
    assert len(points) == 1000
    assert on_something.all()


def test_cameras_stand_where_they_stand_in_the_scene(opened: Opened) -> None:
    page = opened.page
    page.locator("#poses input[value=gt]").check()
    lines = {one["name"]: one for one in traces(page) if one["mode"] == "lines"}
    assert list(lines) == [
        f"agent {agent}, {whose} cameras" for agent in ("641", "-1") for whose in ("true", "predicted")
    ]
    for agent in ("641", "-1"):
        line = lines[f"agent {agent}, true cameras"]
        drawn = {(round(x, 3), round(y, 3)) for x, y in zip(line["x"], line["y"], strict=True) if x is not None}
        for camera in range(4):
            ahead, right, *_ = SCENE.camera_pose(agent, 69, camera)
            assert (round(float(right), 3), round(float(ahead), 3)) in drawn
    assert lines["agent 641, true cameras"]["colour"] == "#d1495b"
    assert lines["agent 641, predicted cameras"]["colour"] == "#9aa3ad"
    page.locator("#poses input[value=pred]").check()
    assert {one["name"]: one["colour"] for one in traces(page)}["agent 641, predicted cameras"] == "#d1495b"


def test_the_slider_shows_fewer_points_and_says_how_many(opened: Opened) -> None:
    page = opened.page
    counts = []
    for step in ("0", "3", "7"):
        page.locator("#share").fill(step)
        counts.append(sum(one["count"] for one in traces(page) if one["mode"] == "markers"))
        assert page.inner_text("#shown").startswith(f"{counts[-1]:,} of ")
    # 16 views share 4,000 points; half of them are of this set.
    assert 0 < counts[0] < counts[1] < counts[2] <= 2000
    assert counts[0] <= 8 * 2
    assert counts[1] == pytest.approx(counts[2] / 16, abs=8)


def test_the_cloud_is_really_drawn_in_the_colours_that_are_chosen(opened: Opened) -> None:
    page = opened.page
    page.locator("#share").fill("7")
    page.locator("#paint input[value=agent]").check()
    page.locator("#cloud").scroll_into_view_if_needed()
    box = page.locator("#cloud").bounding_box()
    assert box is not None
    # The legend has the same colours.
    points = {**box, "x": box["x"] + 250, "width": box["width"] - 250}

    def counted(*colours: tuple[int, int, int]) -> list[int]:
        shown = pixels(page, points).astype(int)
        return [int((np.abs(shown - colour).max(axis=-1) < 30).sum()) for colour in colours]

    agents = ((209, 73, 91), (46, 120, 183))
    until(lambda: min(counted(*agents)) > 50)
    painted = sum(counted(*agents))
    page.locator("#paint input[value=picture]").check()

    def grey() -> int:
        shown = pixels(page, points).astype(int)
        return int(((np.ptp(shown, axis=-1) < 12) & (shown[..., 0] < 190)).sum())

    # Cameras keep the colours of their agents.
    until(lambda: grey() > 100 and sum(counted(*agents)) < painted)


def test_agents_cameras_and_sets_are_chosen(opened: Opened) -> None:
    page = opened.page
    page.locator("#agents input[value='-1']").uncheck()
    assert len(titles(page)) == 6
    assert {one["name"] for one in traces(page)} == {
        "points of 641", "agent 641, true cameras", "agent 641, predicted cameras",
    }  # fmt: skip
    before = page.evaluate("document.getElementById('pictures').data[0].source")
    page.select_option("#camera", "camera2")
    assert page.evaluate("document.getElementById('pictures').data[0].source") != before
    page.select_option("#set", "1")
    assert len(titles(page)) == 12
    assert page.input_value("#camera") == "camera2"
    assert page.inner_text("#set option:checked") == "train · 2021_08_22_21_41_24 · 000071"
    page.select_option("#set", "0")
    page.select_option("#camera", "camera0")


def test_a_zoom_stays_when_others_are_looked_at(opened: Opened) -> None:
    page = opened.page
    page.evaluate("scrollTo(0, 0)")
    whole = ranges(page)
    box = picture(page, 2)
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 0.25 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 0.75 * box["height"], steps=4)
    page.mouse.up()
    page.wait_for_function("document.getElementById('pictures')._fullLayout.xaxis12.range[0] > 5")
    near = ranges(page)[0]
    page.select_option("#camera", "camera2")
    assert ranges(page) == [near] * 12
    page.locator("#agents input[value='-1']").uncheck()
    assert ranges(page) == [near] * 6
    page.locator("#agents input[value='-1']").check()
    assert ranges(page) == [near] * 12
    page.select_option("#set", "1")
    page.set_viewport_size({"width": 900, "height": 700})
    page.wait_for_function("document.getElementById('pictures')._fullLayout.width < 900")
    for x, y in ranges(page):
        assert x == pytest.approx(near[0], abs=1)
        assert y == pytest.approx(near[1], abs=1)
    page.set_viewport_size({"width": 1000, "height": 700})
    page.select_option("#set", "0")
    page.select_option("#camera", "camera0")
    page.evaluate("scrollTo(0, 0)")
    box = picture(page, 2)
    page.mouse.dblclick(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    page.wait_for_function("document.getElementById('pictures')._fullLayout.xaxis12.range[0] < 0")
    assert ranges(page) == whole


def test_its_table_tells_the_numbers_of_the_record(opened: Opened) -> None:
    rows = {
        row.locator("th").inner_text(): row.locator("td").all_inner_texts()
        for row in opened.page.locator("#summary tbody tr").all()
    }
    assert rows["views"] == ["16", "16"]
    assert rows["pose RMSE, alignment none"] == ["", "3.000 m, 0.000°"]
    assert rows["scale RMSE"] == ["", "0.2500"]
    assert rows["depth RMSE, median scale"][1].endswith("at scale 1.2500")
    assert rows["mask mean"][0] == "no such mask"


def test_all_that_it_shows_stands_in_it_once(written: Path) -> None:
    text = written.read_text("utf-8")
    parts = dict(re.findall(r'<script type="application/json" id="(\w+)">(.*?)</script>', text, re.DOTALL))
    data, clouds = (json.loads(parts[name]) for name in ("data", "clouds"))
    assert [len(one["views"]) for one in data["sets"]] == [len(one) for one in clouds] == [8, 8]
    first = re.findall(r'<img src="([^"]+)" alt="" data-view="(\d+)"', text)
    assert [int(number) for _, number in first] == [0, 4]
    images = [view["truth"]["image"] for one in data["sets"] for view in one["views"]]
    assert [number for number, url in enumerate(images) if url is None] == [0, 4]
    # A camera that stands still may see the same twice; one that drives does not.
    assert text.count(first[0][0]) == 1
    assert all(url is None or url.startswith("data:image/jpeg;base64,") for url in images)
    assert all(cloud["gt"]["count"] <= 4000 // 16 for one in clouds for cloud in one)
    # plotly.js names addresses that it may be asked for, and nothing else on the page does.
    own = text.replace(plotly_source(), "")
    assert len(own) < len(text) - 4_000_000
    assert "@@" not in own
    assert "http:" not in own
    assert "https:" not in own
    assert "default-src 'none'" in own


# From here on other pages stand at the same place: a browser has plotly.js of that place compiled.


def test_of_smaller_pictures_the_pixels_of_the_large_ones_are_told(
    opened: Opened, written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_view_pages, "PICTURE_STEPS", (2,))
    folder = written.parent
    write_views_report(ViewsSource(folder / "opv2v", depth_root=folder / "depth"), written, overwrite=True)
    page = gone_to(opened, written)
    assert "Pictures are 1/2 as wide and high" in page.inner_text(".told:not(.bad)")
    depth = SCENE.depth("641", 69, 0)
    box = picture(page, 2)
    # Of pixels 24 and 25, 32 and 33, which are one here, the first is shown.
    page.mouse.move(box["x"] + 25.4 / 48 * box["width"], box["y"] + 33.4 / 36 * box["height"])
    page.wait_for_function("/about/.test(document.getElementById('pixel').textContent)")
    told = re.search(r"pixel (\d+), (\d+), about ([\d.]+) m", page.inner_text("#pixel"))
    assert told is not None
    assert (int(told[1]), int(told[2])) == (24, 32)
    assert float(told[3]) == pytest.approx(depth[32, 24], rel=0.02)
    assert all(x == [-0.5, 47.5] and y == [35.5, -0.5] for x, y in ranges(page))
    shown = page.evaluate(
        "async () => { const image = new Image(); image.src = document.getElementById('pictures').data[1].source;"
        " await image.decode(); return [image.naturalWidth, image.naturalHeight]; }"
    )
    assert shown == [24, 18]
    assert complaints(opened) == []


def test_without_prediction_and_depth_it_says_what_is_not_there(opened: Opened, written: Path) -> None:
    odd = dataclasses.replace(sample_views(), agent=("%{x}641", "<b>1000</b>", "</script><i>"))
    formats.write(written.parent / "views.h5", odd)
    write_views_report(ViewsSource(written.parent / "views.h5", indexes=(0, 1)), written, overwrite=True)
    page = gone_to(opened, written)
    assert page.locator("#poses input").count() == 1
    assert titles(page)[3] == "picture · agent &lt;b&gt;1000&lt;/b&gt;"
    drawn = page.locator("#pictures .annotation-text").all_text_contents()
    assert drawn[0] == "picture · agent %{x}641"
    assert drawn[3] == "picture · agent <b>1000</b>"
    assert "agent %{x}641, true cameras" in page.locator("#cloud .legendtext").all_text_contents()
    page.select_option("#set", "1")
    assert titles(page).count("not there") == 2
    assert page.inner_text("#shown") == "0 of 0"
    assert "</script><i>" in page.inner_text("#agents")
    assert page.locator("#summary th:has-text('pose RMSE')").count() == 0
    assert "1 of 3 true views have no depth" in page.inner_text(".told.bad")
    assert complaints(opened) == []

"""report.html: what it holds, and what a browser shows of it."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from quicksilver.results import html
from quicksilver.results.views import Views
from tests.quicksilver.browsers import find_broken, measure_contrasts, show

TABLES = {
    "command": [("", "quicksilver </script><b>& 'x'")],
    "verdict": [("doubtful", "one </script>"), ("doubtful", "two")],
    "quality": [("folded voxels of the working grid", "0")],
    "settings": [("metric", str({"alpha": [0.01] * 40}))],
}
NAMES = ["warped.nii.gz", "a <b>&#1 {{content}}.mat"]


@pytest.fixture(scope="module")
def shown() -> Views:
    x, y, z = np.indices((30, 34, 26))
    radius = ((x - 15) / 11) ** 2 + ((y - 17) / 12) ** 2 + ((z - 13) / 9) ** 2
    brain = np.where(radius < 1, 0.3 + 0.02 * x, 0)
    field = np.stack([np.sin(y / 5), np.cos(x / 6), 0.5 * np.sin(z / 4)])
    jacobian = 2.0 ** np.sin(x / 4)
    jacobian[15, 17, 13] = -1  # a fold
    deviation = np.exp(-radius)
    images = 0.5 * brain, brain, 0.9 * brain
    return Views(*images, field, jacobian, deviation, 1.5, origin=(-20.0, 0.0, 4.0))


@pytest.fixture(scope="module")
def page(shown, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    html.write(shown, TABLES, path, "a <i>moving</i> image", "12 s", NAMES)
    return path


def content(page) -> dict:
    found = re.search(
        r'<script type="application/json"[^>]*>(.*?)</script>', page.read_text(encoding="utf-8")
    )
    return json.loads(found.group(1))


def unpacked(source: str, shape, columns: int) -> np.ndarray:
    picture = Image.open(io.BytesIO(base64.b64decode(source.split(",")[1])))
    mosaic = np.asarray(picture.convert("L"))
    x, y, z = shape
    sections = [
        mosaic[k // columns * y :, k % columns * x :][:y, :x].swapaxes(0, 1) for k in range(z)
    ]
    return np.stack(sections, axis=2)


def test_the_volumes_are_those_of_the_registration(shown, page):
    held = content(page)
    assert held["tables"]["command"] == [["", "quicksilver </script><b>& 'x'"]]
    place = held["shape"], held["columns"]
    volumes = {name: unpacked(s, *place) for name, s in held["volumes"].items()}
    for name in ("moving", "target", "warped"):
        expected = getattr(shown, name) / html.GREY
        difference = volumes[name] / 255 - expected
        assert np.sqrt((difference**2).mean()) < 3 / 255
        assert abs(difference.mean()) < 0.5 / 255
    folds = volumes["jacobian"] == 0
    assert folds[15, 17, 13]
    assert folds.sum() == 1
    inside = ~folds & (shown.target > 0)
    octaves = (volumes["jacobian"][inside] - 128.0) / 127 * html.OCTAVES
    np.testing.assert_allclose(octaves, np.log2(shown.jacobian[inside]), atol=0.01)
    for axis in range(3):
        field = (volumes[f"field{axis}"] - 128.0) / 127 * held["largest"]
        assert np.sqrt(((field - shown.field[axis]) ** 2).mean()) < 2 / 127 * held["largest"]


def test_it_asks_for_nothing_from_outside(page):
    text = page.read_text(encoding="utf-8")
    assert not re.findall(r"(?:https?:|//[a-z]|@import|url\()", text.split("<script type")[0])
    assert "default-src 'none'" in text


@pytest.fixture
def tab(open_tab, page):
    tab = open_tab()
    show(tab, page)
    return tab


def choose(tab, view: str) -> None:
    tab.locator("label", has=tab.locator(f"input[value='{view}']")).click()
    tab.wait_for_selector(f"body[data-view='{view}']")


def brightness(tab, plane: str) -> float:
    return float(tab.get_attribute(f"#{plane}", "data-brightness"))


def wait_until_at(tab, *place: int) -> None:
    tab.wait_for_selector(f"body[data-at='{','.join(map(str, place))}']", timeout=5000)


SECTIONS = {
    "sagittal": lambda volume: volume[15],
    "coronal": lambda volume: volume[:, 17],
    "axial": lambda volume: volume[:, :, 13],
}


@pytest.mark.parametrize("view", ["target", "warped", "moving", "overlay"])
def test_a_browser_shows_three_sections_of_what_is_chosen(view, shown, tab):
    choose(tab, view)
    both = (shown.target + shown.warped) / 2
    volume = both if view == "overlay" else getattr(shown, view)
    for plane, cut in SECTIONS.items():
        expected = 255 * cut(volume).mean() / html.GREY
        assert brightness(tab, plane) == pytest.approx(expected, abs=0.6)


def test_a_slider_moves_one_plane_and_the_numbers(shown, tab):
    choose(tab, "target")
    coronal = brightness(tab, "coronal")
    tab.get_by_label("axial slice").fill("10")
    wait_until_at(tab, 15, 17, 10)
    expected = 255 * shown.target[:, :, 10].mean() / html.GREY
    assert brightness(tab, "axial") == pytest.approx(expected, abs=0.6)
    assert brightness(tab, "coronal") == coronal
    assert "slice 11 of 26, z = 19.0 mm" in tab.inner_text("#planes")
    assert "2.5, 25.5, 19.0 mm" in tab.inner_text("#values")


def test_a_click_moves_the_crosshair_of_all_planes(tab):
    box = tab.locator("#axial").bounding_box()
    tab.mouse.click(box["x"] + box["width"] * 20.5 / 30, box["y"] + box["height"] * (1 - 8.5 / 34))
    wait_until_at(tab, 20, 8, 13)
    assert "slice 21 of 30" in tab.inner_text("figure:has(#sagittal)")
    assert "slice 9 of 34" in tab.inner_text("figure:has(#coronal)")


def test_keys_work_on_the_picture_and_nowhere_else(tab):
    tab.keyboard.press("ArrowLeft")
    tab.focus("#coronal")
    for key in ("ArrowLeft", "ArrowUp", "ArrowUp", "PageUp", "PageUp", "PageUp"):
        tab.keyboard.press(key)
    wait_until_at(tab, 14, 20, 15)
    tab.keyboard.press("f")  # the only fold
    wait_until_at(tab, 15, 17, 13)
    assert "fold" in tab.inner_text("#values")
    tab.keyboard.press("v")
    tab.wait_for_selector("body[data-view=deviation]")
    tab.keyboard.press("b")
    tab.wait_for_selector("body[data-view=target]")
    listed = tab.locator("#keys").text_content()
    assert all(key in listed for key in ("ArrowLeft", "PageUp", "next fold", "blink"))


def test_zoom_is_the_same_in_all_planes_and_keeps_the_crosshair_in_view(tab):
    tab.focus("#axial")
    for _ in range(6):
        tab.keyboard.press("+")
    tab.wait_for_selector("#zoom:text-is('3.8 times')", timeout=5000)
    for _ in range(14):
        tab.keyboard.press("ArrowRight")
    wait_until_at(tab, 29, 17, 13)
    for plane in ("axial", "coronal"):
        across = tab.evaluate(
            "(name) => { const p = PLANES.find((p) => p.name === name);"
            "return toScreen(p, 29.5, 13)[0] / p.canvas.width; }",
            plane,
        )
        assert 0.5 < across < 1
    tab.click("#reset")
    tab.wait_for_selector("#zoom:text-is('1.0 times')", timeout=5000)
    wait_until_at(tab, 15, 17, 13)


def test_an_address_may_name_a_view_and_a_place(open_tab, page):
    tab = open_tab()
    tab.goto(page.as_uri() + "#view=jacobian&at=3,4,99")
    tab.wait_for_selector("body[data-view=jacobian]")
    wait_until_at(tab, 3, 4, 25)


def test_fingers_move_the_crosshair_and_zoom(open_tab, page):
    tab = open_tab(viewport={"width": 390, "height": 800}, has_touch=True)
    show(tab, page)
    tab.locator("#axial").scroll_into_view_if_needed()
    box = tab.locator("#axial").bounding_box()
    x, y = (box["x"] + box["width"] * 5.5 / 30, box["y"] + box["height"] * (1 - 20.5 / 34))
    tab.touchscreen.tap(x, y)
    wait_until_at(tab, 5, 20, 13)
    touch = tab.context.new_cdp_session(tab)
    for kind, apart in (("touchStart", 40), ("touchMove", 60), ("touchMove", 80)):
        points = [{"x": x, "y": y, "id": 0}, {"x": x + apart, "y": y, "id": 1}]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    tab.wait_for_selector("#zoom:text-is('2.0 times')")


def test_the_wheel_turns_slices_only_of_a_picture_that_has_the_focus(tab):
    tab.hover("#axial")
    tab.mouse.wheel(0, 100)
    assert tab.get_attribute("body", "data-at") == "15,17,13"
    tab.focus("#axial")
    tab.mouse.wheel(0, 100)
    wait_until_at(tab, 15, 17, 14)


def test_names_are_shown_as_they_are(tab):
    assert tab.inner_text("#title") == "a <i>moving</i> image"
    assert tab.locator("code").first.inner_text() == "quicksilver </script><b>& 'x'"
    assert tab.inner_text("#verdict") == "? doubtful one </script>; two"
    links = [link.get_attribute("href") for link in tab.locator("#files a").all()]
    assert links == [NAMES[0], "a%20%3Cb%3E%26%231%20%7B%7Bcontent%7D%7D.mat"]
    assert tab.locator("#files a").last.inner_text() == NAMES[1]


def test_every_view_draws_and_the_spread_is_offered_only_where_there_were_samples(
    shown, page, tab, tmp_path
):
    views = [choice.get_attribute("value") for choice in tab.locator("#views input").all()]
    assert views[-1] == "deviation"
    assert len(views) == 10
    for view in views:
        choose(tab, view)
        assert all(brightness(tab, plane) > 0.5 for plane in SECTIONS)
        assert tab.inner_text("#legend").strip()
    alone = tmp_path / "alone.html"
    html.write(dataclasses.replace(shown, deviation=None), TABLES, alone, "pair")
    show(tab, alone)
    assert not tab.locator("input[value='deviation']").count()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_the_page_fits_the_screen_and_can_be_read(width, scheme, tab, page):
    tab.set_viewport_size({"width": width, "height": 800})
    tab.emulate_media(color_scheme=scheme)
    show(tab, page)
    tab.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    boxes = [tab.locator(f"#{plane}").bounding_box() for plane in SECTIONS]
    beside = boxes[0]["y"] == boxes[1]["y"] == boxes[2]["y"]
    assert beside == (width == 1440)
    assert all(box["x"] + box["width"] <= width for box in boxes)
    assert not find_broken(tab)
    assert min(measure_contrasts(tab)) >= 4.5


def test_a_slice_is_shown_upright_in_one_picture(open_tab, tmp_path):
    x, y, z = np.indices((30, 20, 1))
    dark = np.where(y > 14, 0.2, 0.8)  # y runs up: the top of the picture is dark
    images = dark, dark, dark
    field = np.stack([0.1 * x, 0.2 * y, 0.0 * z])
    shown = Views(*images, field, np.ones(x.shape), None, 2.0, origin=(0.0, -38.0, 0.0), scale=0.5)
    html.write(shown, TABLES, tmp_path / "page.html", "two slices")
    tab = open_tab()
    show(tab, tmp_path / "page.html")
    choose(tab, "target")
    assert tab.locator("#planes canvas").count() == 1
    assert not tab.locator("#planes .side").count()
    assert not tab.locator("#planes input").is_visible()
    assert brightness(tab, "slice") == pytest.approx(255 * dark.mean() / html.GREY, abs=0.6)
    box = tab.locator("#slice").bounding_box()
    tab.mouse.click(box["x"] + box["width"] * 10.5 / 30, box["y"] + box["height"] * 0.5 / 20)
    wait_until_at(tab, 10, 19, 0)
    values = tab.inner_text("#values")
    assert "20.0, 0.0 mm" in values  # ITK's, of a picture's column 10 and row 0
    assert "0.20, 0.20, 0.20" in values
    choose(tab, "grid")
    assert "4 mm apart" in tab.inner_text("#legend")
    assert not find_broken(tab)

"""report.html: what it holds, and what a browser shows of it."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from quicksilver.results import html
from quicksilver.results.views import Views

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
QUIET = ("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
TABLES = {"quality": [("folded voxels", "0")], "command": [("", "quicksilver </script><b>& 'x'")]}


@pytest.fixture(scope="module")
def shown() -> Views:
    x, y, z = np.indices((30, 34, 26))
    radius = ((x - 15) / 11) ** 2 + ((y - 17) / 12) ** 2 + ((z - 13) / 9) ** 2
    brain = np.where(radius < 1, 0.3 + 0.02 * x, 0)
    field = np.stack([np.sin(y / 5), np.cos(x / 6), 0.5 * np.sin(z / 4)])
    jacobian = 2.0 ** np.sin(x / 4)
    jacobian[15, 17, 13] = -1  # a fold
    return Views(0.5 * brain, brain, 0.9 * brain, field, jacobian, np.exp(-radius), 1.5)


@pytest.fixture(scope="module")
def page(shown, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    html.write(shown, TABLES, path, "a <i>moving</i> image", "12 s")
    return path


def content(page) -> dict:
    found = re.search(r'<script type="application/json"[^>]*>(.*?)</script>', page.read_text())
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
    text = page.read_text()
    assert not re.findall(r"(?:https?:|//[a-z]|@import|url\()", text.split("<script type")[0])
    assert "default-src 'none'" in text


@pytest.fixture(scope="module")
def browser():
    if BROWSER is None:
        pytest.skip("no Chromium on this machine")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(
            executable_path=BROWSER, args=list(QUIET), chromium_sandbox=False
        )
        yield opened
        opened.close()


@pytest.fixture
def tab(browser, page):
    """The page, and no errors on its console."""
    errors: list[str] = []
    tab = browser.new_page()
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    show(tab, page)
    yield tab
    assert not errors
    tab.close()


def show(tab, page) -> None:
    tab.goto(page.as_uri())
    tab.wait_for_selector("body[data-ready=yes]")


def brightness(tab) -> float:
    return float(tab.get_attribute("body", "data-brightness"))


@pytest.mark.parametrize(
    ("view", "plane", "mean"),
    [
        ("target", "axial", lambda s: s.target[:, :, 13]),
        ("warped", "sagittal", lambda s: s.warped[15]),
        ("overlay", "coronal", lambda s: (s.target[:, 17] + s.warped[:, 17]) / 2),
        ("moving", "coronal", lambda s: s.moving[:, 17]),
    ],
)
def test_a_browser_shows_the_section_that_is_chosen(view, plane, mean, shown, tab):
    for choice in (view, plane):
        tab.locator("label", has=tab.locator(f"input[value='{choice}']")).click()
    expected = 255 * mean(shown).mean() / html.GREY
    assert brightness(tab) == pytest.approx(expected, abs=0.6)


def test_the_slider_moves_through_the_brain(shown, tab):
    tab.locator("label", has=tab.locator("input[value='target']")).click()
    tab.fill("#slice", "10")
    expected = 255 * shown.target[:, :, 10].mean() / html.GREY
    assert brightness(tab) == pytest.approx(expected, abs=0.6)
    assert "slice 11 of 26" in tab.inner_text("#where")


def test_names_are_shown_as_they_are(tab):
    assert tab.inner_text("#title") == "a <i>moving</i> image"
    assert tab.inner_text("code") == "quicksilver </script><b>& 'x'"


def test_every_view_draws_and_the_spread_is_offered_only_where_there_were_samples(
    shown, page, tab, tmp_path
):
    views = [choice.get_attribute("value") for choice in tab.locator("#views input").all()]
    assert views[-1] == "deviation"
    assert len(views) == 10
    for view in views:
        tab.locator("label", has=tab.locator(f"input[value='{view}']")).click()
        assert tab.get_attribute("body", "data-view") == view
        assert brightness(tab) > 0.5
    alone = tmp_path / "alone.html"
    html.write(dataclasses.replace(shown, deviation=None), TABLES, alone, "pair")
    show(tab, alone)
    assert not tab.locator("input[value='deviation']").count()

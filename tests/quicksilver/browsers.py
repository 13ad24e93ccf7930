"""What tests of pages ask a browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
QUIET = ("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")


@contextmanager
def start_browser() -> Iterator[Any]:
    if BROWSER is None:
        pytest.skip("no Chromium on this machine")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(
            executable_path=BROWSER, args=list(QUIET), chromium_sandbox=False
        )
        yield opened
        opened.close()


@contextmanager
def watch_tabs(browser: Any) -> Iterator[Any]:
    """Yield what opens a tab; there must be no errors on the consoles of the tabs."""
    errors: list[str] = []
    tabs = []

    def open_tab(**options: Any) -> Any:
        tab = browser.new_page(**options)
        tab.set_default_timeout(10_000)
        tab.on("pageerror", lambda error: errors.append(str(error)))
        tab.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        tabs.append(tab)
        return tab

    yield open_tab
    for tab in tabs:
        tab.close()
    assert not errors


def show(tab: Any, page: Path) -> None:
    tab.goto(page.as_uri())
    tab.wait_for_selector("body[data-ready=yes]")


def measure_contrasts(tab: Any) -> list[float]:
    """Contrast of all words that are seen with what is behind them (WCAG)."""
    return tab.evaluate(CONTRASTS)


def find_broken(tab: Any) -> list[str]:
    """Texts that are broken into lines of few letters."""
    return tab.evaluate(BROKEN)


BROKEN = """() => {
  const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  const broken = [], range = document.createRange();
  while (walker.nextNode()) {
    range.selectNodeContents(walker.currentNode);
    const lines = new Set([...range.getClientRects()].map((box) => Math.round(box.bottom)));
    const text = walker.currentNode.data.trim();
    if (lines.size > 1 && text.length / lines.size < 8) broken.push(text);
  }
  return broken;
}"""

CONTRASTS = """() => {
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => parse(colour).slice(0, 3).map((v) => v / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
  const behind = (node) => {
    const colour = getComputedStyle(node).backgroundColor;
    return parse(colour)[3] === 0 ? behind(node.parentElement) : colour;
  };
  const words = "h1, h2, p, dt, dd, a, li, td, th, summary, button, label, .verdict";
  const seen = [...document.querySelectorAll(words)].filter((node) => node.checkVisibility());
  return seen.map((node) => {
    const [a, b] = [light(getComputedStyle(node).color), light(behind(node))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  });
}"""

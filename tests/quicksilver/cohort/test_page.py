"""The page of a cohort: the worst verdict comes first, and what a browser shows of it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from quicksilver.cohort.page import write_page
from quicksilver.cohort.pairs import PairPaths
from quicksilver.registration.verdict import Verdict
from quicksilver.results.folder import save_registration
from tests.quicksilver.browsers import find_broken, measure_contrasts, show


@pytest.fixture(scope="module")
def summary(registration, tmp_path_factory) -> dict:
    return save_registration(registration, tmp_path_factory.mktemp("one") / "out")


def test_pairs_are_sorted_by_their_verdict(summary, tmp_path):
    verdicts = {
        "fine": Verdict("good"),
        "wrong": Verdict("failed", ("the intensities correlate by only -0.40",)),
        "odd": Verdict("doubtful", ("one", "two")),
    }
    for name, verdict in verdicts.items():
        (tmp_path / name).mkdir()
        content = {**summary, "verdict": verdict.to_json()}
        (tmp_path / name / "result.json").write_text(json.dumps(content))
    pairs = [PairPaths(name, Path("a"), Path("b")) for name in [*verdicts, "absent"]]
    rows = write_page(pairs, tmp_path)
    assert [row["id"] for row in rows] == ["absent", "wrong", "odd", "fine"]
    with (tmp_path / "summary.csv").open(newline="") as file:
        listed = list(csv.DictReader(file))
    assert [row["verdict"] for row in listed] == ["", "failed", "doubtful", "good"]
    assert listed[2]["reasons"] == "one; two"


ODD = "<b>odd & 'name' #3%"
VERDICTS = {
    "fine": Verdict("good"),
    ODD: Verdict("good"),
    "wrong": Verdict("failed", ("the intensities correlate by only -0.40",)),
    "strange": Verdict("doubtful", ("one", "two")),
}
ERROR = "expected an image with non-zero voxels, found none in /a/<i>path</i>/of/a/brain.nii.gz"


@pytest.fixture(scope="module")
def cohort(registration, summary, tmp_path_factory) -> Path:
    """A folder with four pairs that are done, one that failed and one that is missing."""
    folder = tmp_path_factory.mktemp("cohort")
    save_registration(registration, folder / "fine")
    for number, (name, verdict) in enumerate(VERDICTS.items()):
        (folder / name).mkdir(exist_ok=True)
        content = {**summary, "verdict": verdict.to_json()}
        content["overlap"] = {"before": 0.5, "after": (0.9, 0.1, 0.25, 0.7)[number]}
        if name == "strange":  # its squared difference before was 0: infinitely larger
            content["energies"] = {**summary["energies"], "mismatch_before": 0.0}
        (folder / name / "result.json").write_text(json.dumps(content))
        if name != "fine":
            (folder / name / "report.png").write_bytes((folder / "fine/report.png").read_bytes())
    (folder / "failures").mkdir()
    (folder / "failures/stopped.txt").write_text(ERROR + "\n")
    image = Path("/data/a/long/path/of/folders/of/a/study/sub-01_ses-baseline_desc-brain_T1w.nii")
    write_page([PairPaths(n, image, image) for n in [*VERDICTS, "stopped", "absent"]], folder)
    return folder


@pytest.fixture
def tab(open_tab, cohort):
    tab = open_tab(viewport={"width": 1440, "height": 900})
    show(tab, cohort / "index.html")
    return tab


def names(tab) -> list[str]:
    return [head.inner_text() for head in tab.locator("#rows th").all()]


def check(tab, value: str) -> None:
    tab.locator(f"input[value='{value}']").check()


def test_totals_are_at_the_top_and_names_shown_as_they_are(tab):
    assert tab.inner_text("#title") == "4 of 6 pairs registered"
    chips = tab.locator("#verdicts label").all_inner_texts()
    assert chips == [
        "all 6",
        "✗ failed 2",
        "– missing 1",
        "? doubtful 1",
        "✓ good 2",
    ]
    assert "median overlap\n0.475" in tab.inner_text("#totals")
    assert names(tab)[:3] == ["stopped", "absent", "wrong"]
    assert ERROR in tab.inner_text("#rows")
    link = tab.locator("#rows a", has_text=ODD)
    assert link.get_attribute("href") == "%3Cb%3Eodd%20%26%20'name'%20%233%25/report.html"
    assert not tab.locator("#rows th", has_text="stopped").locator("a").count()


def test_a_column_sorts_and_what_has_no_number_comes_last(tab):
    head = tab.locator("th[data-column=overlap]")
    head.locator("button").click()
    assert names(tab)[:4] == [ODD, "wrong", "strange", "fine"]
    assert head.get_attribute("aria-sort") == "ascending"
    head.locator("button").press("Enter")
    assert names(tab)[:4] == ["fine", "strange", "wrong", ODD]
    assert head.get_attribute("aria-sort") == "descending"
    tab.get_by_label("sort by").select_option("mismatch_ratio")
    assert set(names(tab)[3:]) == {"strange", "stopped", "absent"}
    tab.get_by_label("sort by").select_option("worst first")
    assert names(tab)[0] == "stopped"


def test_verdicts_and_words_filter(tab):
    check(tab, "failed")
    assert names(tab) == ["stopped", "wrong"]
    tab.get_by_label("search").fill("CORRELATE")
    assert names(tab) == ["wrong"]
    assert tab.inner_text("#count") == "1 of 6 pairs shown"
    check(tab, "all")
    tab.get_by_label("search").fill("nothing like it")
    assert names(tab) == []


def test_pictures_are_those_of_the_pairs_folders(tab):
    check(tab, "pictures")
    cards = tab.locator("#pictures article")
    assert cards.count() == 6
    assert not tab.locator("#table").is_visible()
    picture = cards.filter(has_text=ODD).locator("img")
    assert picture.get_attribute("loading") == "lazy"
    picture.scroll_into_view_if_needed()
    tab.wait_for_function("(img) => img.naturalWidth > 0", arg=picture.element_handle())
    assert cards.filter(has_text="stopped").locator("img").count() == 0


def test_a_long_list_is_shown_in_parts(tab, tmp_path):
    pairs = [PairPaths(f"pair-{k:03}", Path("a"), Path("b")) for k in range(300)]
    assert not tab.locator("#more").is_visible()
    write_page(pairs, tmp_path)
    show(tab, tmp_path / "index.html")
    assert tab.locator("#rows tr").count() == 250
    tab.get_by_label("search").fill("pair-299")  # all are looked through
    assert names(tab) == ["pair-299"]
    tab.get_by_label("search").fill("")
    tab.click("#more")
    assert tab.locator("#rows tr").count() == 300
    assert not tab.locator("#more").is_visible()


@pytest.mark.parametrize("layout", ["table", "pictures"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_the_page_fits_and_no_cell_is_broken(width, scheme, layout, tab, cohort):
    tab.set_viewport_size({"width": width, "height": 800})
    tab.emulate_media(color_scheme=scheme)
    show(tab, cohort / "index.html")
    check(tab, layout)
    tab.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert min(measure_contrasts(tab)) >= 4.5
    assert not find_broken(tab)

"""The page of a report in headless Chromium."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from split_deploy.bench.report.charts import DARK, LIGHT
from split_deploy.bench.report.html import render
from tests.e2e.test_browser import launch


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright, launch(playwright) as browser:
        yield browser


@pytest.fixture(params=[1280, 400], ids=["desk", "phone"])
def width(request) -> int:
    return request.param


@pytest.fixture(params=["light", "dark"])
def scheme(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def path(made_up, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render(made_up), encoding="utf-8")
    return path


@pytest.fixture
def page(browser, path, width, scheme) -> Iterator[Page]:
    """The page. What it asks for or complains about fails the test."""
    complaints: list[str] = []
    with browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme
    ) as context:
        page = context.new_page()
        page.on("request", lambda request: complaints.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(path.as_uri())
        yield page
        assert complaints == [path.as_uri()]


def test_nothing_overflows(page, width):
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    # What is wider scrolls in its own frame.
    too_wide = page.evaluate(
        """width => [...document.querySelectorAll("body *")]
            .filter(each => !each.closest(".scroll, svg"))
            .filter(each => each.getBoundingClientRect().right > width + 1)
            .map(each => each.outerHTML.slice(0, 80))""",
        width,
    )
    assert too_wide == []


def test_no_text_of_a_chart_is_cut_off(page):
    cut = page.evaluate(
        """() => [...document.querySelectorAll("svg text")].filter(each => {
            const text = each.getBoundingClientRect()
            const chart = each.closest("svg").getBoundingClientRect()
            return text.left < chart.left - 1 || text.right > chart.right + 1 ||
                text.top < chart.top - 1 || text.bottom > chart.bottom + 1
        }).map(each => each.textContent)"""
    )
    assert cut == []


def test_charts_can_be_read(page):
    smallest = page.evaluate(
        """() => Math.min(...[...document.querySelectorAll("svg text")].map(
            each => each.getBoundingClientRect().height))"""
    )
    assert smallest >= 7


def test_the_page_and_its_charts_have_the_colors_of_the_scheme(page, scheme):
    colors = LIGHT if scheme == "light" else DARK
    red, green, blue = bytes.fromhex(colors["page"][1:])
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == f"rgb({red}, {green}, {blue})"
    drawn = page.evaluate(
        """() => [...document.querySelectorAll("svg path")].map(
            each => getComputedStyle(each).fill)"""
    )
    red, green, blue = bytes.fromhex(colors["split"][1:])
    assert f"rgb({red}, {green}, {blue})" in drawn

"""The board in headless Chromium: what a visitor sees and does."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Locator,
    Page,
    Playwright,
    Request,
    expect,
    sync_playwright,
)

from split_deploy.topology import TOPOLOGIES
from tests.e2e.conftest import create_admin
from tests.e2e.stack import Stack

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHONE = {"width": 390, "height": 844}


def launch(playwright: Playwright) -> Browser:
    """Start the system's Chromium, or else Playwright's own. Without either the test is skipped."""
    system = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if system is None and not Path(playwright.chromium.executable_path).exists():
        reason = "no Chromium: install the system's, or run `.venv/bin/playwright install chromium`"
        if os.environ.get("CI_REQUIRE_BROWSER") == "1":
            pytest.fail(f"CI_REQUIRE_BROWSER=1, and {reason}")
        pytest.skip(reason)
    return playwright.chromium.launch(executable_path=system, args=ARGUMENTS)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright, launch(playwright) as browser:
        yield browser


@pytest.fixture(scope="module", params=TOPOLOGIES)
def running_stack(request, tmp_path_factory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("browser")
    options = {"TOPOLOGY": request.param, "RELOAD": "0", "WEB_CONCURRENCY": "2"}
    with Stack(folder, WATCH_ALLOW_PRIVATE_TARGETS="1", **options) as stack:
        create_admin(stack)
        yield stack


@pytest.fixture
def local_stack(running_stack) -> Stack:
    """A stack that fetches from itself, with an empty board."""
    with closing(sqlite3.connect(running_stack.database)) as database, database:
        database.execute("DELETE FROM app_watchedurl")
    return running_stack


@pytest.fixture
def page(browser, local_stack) -> Iterator[Page]:
    """A page of the stack. Anything that the browser complains about fails the test."""
    complaints: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    def on_failure(request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # what closing an EventSource is called
            complaints.append(f"{request.url}: {request.failure}")

    with browser.new_context(base_url=local_stack.url) as context:
        page = context.new_page()
        page.on("console", on_console)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", on_failure)
        yield page
    assert complaints == []


def log_in(page: Page) -> None:
    page.goto("/board/")
    page.get_by_role("link", name="Log in to add and check URLs").click()
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill("admin")
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(page.get_by_role("heading", name="Watched URLs")).to_be_visible()


def add(page: Page, url: str) -> None:
    page.get_by_label("URL to watch").fill(url)
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("status")).to_contain_text(f"{url} is on the board.")


def row(page: Page, url: str) -> Locator:
    return page.locator("#board").get_by_role("listitem").filter(has_text=url)


def test_a_url_is_added_checked_live_and_deleted(page, local_stack):
    log_in(page)
    fast, slow = f"{local_stack.url}/healthz/", f"{local_stack.url}/sync/"
    for url in (fast, slow):
        add(page, url)
    expect(row(page, fast)).to_contain_text("not checked")

    page.get_by_role("button", name="Check all").click()
    # The fast target's row is filled in while the slow one's still waits: nothing was reloaded.
    expect(row(page, fast)).to_contain_text("200 OK")
    expect(row(page, fast)).to_contain_text(" ms")
    expect(row(page, slow)).to_contain_text("waiting")
    expect(page.get_by_text("1 of 2 checked")).to_be_visible()
    expect(row(page, slow)).to_contain_text("200 OK")
    expect(page.get_by_text("Finished: 2 of 2 checked")).to_be_visible()

    page.get_by_role("button", name=f"Delete {fast}").click()
    expect(page.get_by_role("status")).to_contain_text(f"{fast} is off the board.")
    expect(row(page, fast)).to_have_count(0)
    expect(row(page, slow)).to_have_count(1)


def test_a_failed_check_says_why(page):
    log_in(page)
    add(page, "http://127.0.0.1:1/")
    page.get_by_role("button", name="Check all").click()
    failed = row(page, "http://127.0.0.1:1/")
    expect(failed.get_by_text("failed", exact=True)).to_be_visible()
    expect(failed).to_contain_text("connection attempts failed")


def test_a_check_can_be_stopped(page, local_stack):
    log_in(page)
    add(page, f"{local_stack.url}/sync/")
    page.get_by_role("button", name="Check all").click()
    expect(page.get_by_text("Checking 1…")).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped: 0 of 1 checked")).to_be_visible()
    expect(page.get_by_text("not checked")).to_be_visible()
    expect(page.get_by_role("button", name="Check all")).to_be_visible()


def test_a_check_after_the_session_has_ended_says_so(browser, local_stack):
    # A context of its own: the browser does complain about the 401.
    with browser.new_context(base_url=local_stack.url) as context:
        page = context.new_page()
        log_in(page)
        add(page, f"{local_stack.url}/healthz/")
        context.clear_cookies()
        page.get_by_role("button", name="Check all").click()
        expect(page.get_by_text("Failed to start: are you still logged in?")).to_be_visible()


def test_without_javascript_urls_are_added_and_deleted(browser, local_stack):
    with browser.new_context(base_url=local_stack.url, java_script_enabled=False) as context:
        page = context.new_page()
        log_in(page)
        url = f"{local_stack.url}/healthz/"
        add(page, url)
        expect(page.get_by_role("button", name="Check all")).to_be_hidden()
        page.get_by_role("button", name=f"Delete {url}").click()
        expect(page.get_by_text("Nothing is watched yet.")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_is_wider_than_a_phone(page, local_stack, scheme):
    page.set_viewport_size(PHONE)
    page.emulate_media(color_scheme=scheme)

    def assert_fits() -> None:
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]

    for path in ("/", "/accounts/login/", "/board/"):
        page.goto(path)
        assert_fits()
    log_in(page)
    add(page, f"{local_stack.url}/healthz/?{'a-very-long-query-string' * 8}")
    add(page, "http://127.0.0.1:1/")
    page.get_by_role("button", name="Check all").click()
    expect(page.get_by_text("Finished: 2 of 2 checked")).to_be_visible()
    assert_fits()

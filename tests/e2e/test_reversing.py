"""Links and redirects from each instance to the other, followed through nginx.

In each topology: with one instance they are its own.
"""

import re
from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.test_app import post

LESSON = re.compile(r'<a href="([^"]+)"><code>[^<]*</code></a>\s*<span class="badge (\w+)">')


@pytest.fixture
def browser(any_stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=any_stack.url, timeout=20) as client:
        yield client


def test_every_link_of_the_sync_home_page_is_served_by_the_instance_it_names(browser, any_stack):
    lessons = LESSON.findall(browser.get("/").text)
    assert {role for _, role in lessons} == {"sync", "async"}
    for address, role in lessons:
        response = browser.get(address)
        assert response.status_code in (200, 302), address
        assert response.headers["X-Served-By"] == any_stack.served_by(role), address


def test_the_async_instance_sends_to_the_login_of_the_sync_one_which_sends_back(browser, any_stack):
    sync, async_ = any_stack.served_by("sync"), any_stack.served_by("async")
    refused = browser.get("/async/whoami/")
    assert (refused.status_code, refused.headers["X-Served-By"]) == (302, async_)
    login = refused.headers["Location"]
    assert login == "/accounts/login/?next=/async/whoami/"

    page = browser.get(login)
    assert (page.status_code, page.headers["X-Served-By"]) == (200, sync)
    (after,) = re.findall(r'name="next" value="([^"]+)"', page.text)
    accepted = post(browser, login, username="admin", password="admin", next=after)
    assert (accepted.status_code, accepted.headers["Location"]) == (302, "/async/whoami/")

    greeting = browser.get(accepted.headers["Location"])
    assert (greeting.status_code, greeting.headers["X-Served-By"]) == (200, async_)
    assert "Hello admin from the async instance." in greeting.text

    (board,) = re.findall(r'<a href="([^"]+)">Back to the board</a>', greeting.text)
    assert board == "/board/"
    assert browser.get(board).headers["X-Served-By"] == sync

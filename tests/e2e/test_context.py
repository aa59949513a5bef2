"""The current user through nginx, in each topology: in the audit field and in the log."""

import re

import httpx
import pytest

from tests.e2e.test_app import BOARD, log_in, post

URL = "https://context.example.com/"


@pytest.fixture
def browser(any_stack):
    with httpx.Client(base_url=any_stack.url, timeout=20) as client:
        log_in(client)
        yield client


def changed_by(stack) -> str:
    return stack.manage(
        *("shell", "--no-imports", "-c"),
        "from app.models import WatchedURL\n"
        f"print(WatchedURL.objects.values_list('changed_by__username').get(url={URL!r})[0])",
    ).strip()


def test_whoever_is_logged_in_has_saved_it_in_either_instance(browser, any_stack):
    stack = any_stack
    assert post(browser, BOARD, url=URL).status_code == 302
    assert changed_by(stack) == "admin"
    stack.manage(
        *("shell", "--no-imports", "-c"),
        f"from app.models import WatchedURL\nWatchedURL.objects.get(url={URL!r}).save()",
    )
    assert changed_by(stack) == "None"

    page = browser.get(BOARD).text
    pk = re.search(rf'id="url-(\d+)"(?:(?!id="url-).)*?{re.escape(URL)}', page, re.DOTALL)[1]
    token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', page)[1]
    confirm = f"/async/board/{pk}/confirm/"
    assert browser.post(confirm).status_code == 403
    response = browser.post(confirm, data={"csrfmiddlewaretoken": token})
    assert response.headers["X-Served-By"] == stack.served_by("async")
    assert response.json() == {"url": URL, "changed_by": "admin"}
    assert changed_by(stack) == "admin"


def test_the_log_has_the_user_id_as_soon_as_the_user_is_loaded(browser, any_stack):
    token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', browser.get(BOARD).text)[1]
    headers = {"X-Request-ID": "context-404", "X-CSRFToken": token}
    assert browser.post("/async/board/4711/confirm/", headers=headers).status_code == 404
    line = any_stack.wait_for_log("request_id=context-404 user=1 Not Found: /async/board/4711/")
    assert f"role={any_stack.served_by('async')}" in line
    headers["X-Request-ID"] = "context-404-sync"
    assert browser.post("/board/4711/delete/", headers=headers).status_code == 404
    line = any_stack.wait_for_log("request_id=context-404-sync user=1 Not Found: /board/4711/")
    assert f"role={any_stack.served_by('sync')}" in line

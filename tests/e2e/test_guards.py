"""What the async instance says about itself while it runs, between real servers."""

import inspect
import re
import threading
import time

import httpx

from app import async_views
from tests.e2e.stack import Stack

HELLO = "/async/hello/"
WHOAMI = "/async/whoami/"
BURN = "/async/burn_some_meats/"


def get(stack, path, request_id, **headers):
    headers = {"X-Request-ID": request_id, **headers}
    return httpx.get(stack.url + path, headers=headers, timeout=30)


def test_with_debug_the_hops_are_in_the_header_and_in_the_access_log(stack):
    response = get(stack, HELLO, "hops-in-debug")

    line = stack.wait_for_log("request_id=hops-in-debug")
    assert response.headers["X-Thread-Hops"] == "0"
    assert " hops=0 " in line


def test_the_sync_instance_has_no_hops_to_tell_of(stack):
    response = get(stack, "/", "hops-in-sync-role")

    assert "X-Thread-Hops" not in response.headers
    assert " hops=" not in stack.wait_for_log("request_id=hops-in-sync-role")


def test_a_call_site_is_logged_once_however_often_it_is_passed(stack):
    """To look a session up is a hop."""
    for number in range(3):
        get(stack, WHOAMI, f"hops-logged-{number}", Cookie="sessionid=of-nobody-that-is-known")
    stack.wait_for_log("request_id=hops-logged-2")

    lines = [line for line in stack.log().splitlines() if "A thread hop in the async" in line]
    sites = [line.partition(": ")[2] for line in lines]
    assert any("in whoami runs django.contrib.auth.get_user in" in site for site in sites)
    assert len(sites) == len(set(sites))


def test_without_debug_the_hops_are_in_the_access_log_alone(start_stack):
    stack = start_stack(DJANGO_DEBUG="false")
    response = get(stack, HELLO, "hops-without-debug")

    assert response.status_code == 200
    assert "X-Thread-Hops" not in response.headers
    assert re.search(r" hops=\d+ ", stack.wait_for_log("request_id=hops-without-debug"))


def test_a_flood_of_blocking_requests_is_reported_within_a_second_with_its_line(stack):
    """Each of them sleeps for 5 steps of 0.2 s in the event loop."""
    before = len(stack.log().splitlines())
    source, first = inspect.getsourcelines(async_views.burn_some_meats)
    line = first + next(n for n, text in enumerate(source) if "time.sleep" in text)
    blocked = re.compile(
        r"blocked for more than .* by \S*app/async_views\.py:(\d+) in burn_some_meats"
    )

    def incidents():
        return [
            found for line in stack.log().splitlines()[before:] if (found := blocked.search(line))
        ]

    started = time.monotonic()
    flood = [threading.Thread(target=get, args=(stack, BURN, f"flood-{n}-of-5")) for n in range(5)]
    for thread in flood:
        thread.start()
    while not incidents() and time.monotonic() - started < 5:
        time.sleep(0.01)
    reported_after = time.monotonic() - started
    for thread in flood:
        thread.join()

    def ended():
        return [
            line for line in stack.log().splitlines()[before:] if "loop was blocked for" in line
        ]

    while len(ended()) != len(incidents()) and time.monotonic() - started < 15:
        time.sleep(0.05)

    assert reported_after < 1
    assert {int(found[1]) for found in incidents()} == {line}
    # One block may be that of several requests, but none is reported twice.
    assert 1 <= len(incidents()) <= 5
    assert len(incidents()) == len(ended())
    assert httpx.get(stack.url + HELLO).status_code == 200


def test_with_debug_the_example_s_blocking_view_is_an_error_if_it_is_not_allowed(tmp_path):
    (tmp_path / "strict_settings.py").write_text(
        "from settings.async_only import *\n"
        'SPLIT_DEPLOY = SPLIT_DEPLOY | {"BLOCKING_ALLOWED": []}\n'
    )
    with Stack(
        tmp_path, arguments=("--async-settings", "strict_settings"), PYTHONPATH=str(tmp_path)
    ) as stack:
        response = get(stack, BURN, "not-allowed-to-block")
        stack.wait_for_log("BlockingError: Blocking call to time.sleep")

    assert response.status_code == 500
    assert re.search(r'async_views\.py", line \d+, in burn_some_meats', stack.log())
    assert "The event loop is blocked" not in stack.log()


def test_with_debug_it_is_let_through_if_it_is(stack):
    assert get(stack, BURN, "allowed-to-block").status_code == 200

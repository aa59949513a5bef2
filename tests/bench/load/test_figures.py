"""What load tools are asked for, and what the percentiles of what they found are."""

import io
import re

import pytest
from django.core.files.uploadhandler import MemoryFileUploadHandler
from django.http.multipartparser import MultiPartParser
from django.utils.datastructures import MultiValueDict

from split_deploy.bench.load.figures import LoadError, Request, enough, percentile
from split_deploy.bench.load.process import module
from split_deploy.bench.load.wire import address, encoded

URL = "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("percent", "value"), [(0, 1), (1, 10), (50, 500), (99, 990), (99.9, 999), (100, 1000)]
)
def test_a_percentile_is_the_value_that_so_many_do_not_exceed(percent, value):
    assert percentile(range(1, 1001), percent) == value


def test_a_percentile_of_few_is_one_of_them_and_of_none_is_0():
    assert percentile([7.0], 99.9) == 7
    assert percentile([7.0, 8.0], 99.9) == 8
    assert percentile([], 50) == 0


@pytest.mark.parametrize(
    ("requests", "left"),
    [(99, ["p50_ms"]), (100, ["p50_ms", "p99_ms"]), (999, ["p50_ms", "p99_ms"])],
)
def test_a_percentile_of_too_few_requests_is_left_out(requests, left):
    figures = {"requests": requests, "p50_ms": 1.0, "p99_ms": 2.0, "p999_ms": 3.0}
    assert list(enough(figures)) == ["requests", *left]
    assert enough(figures | {"requests": 1000}) == figures | {"requests": 1000}


def test_a_request_has_the_host_and_its_own_headers_over_it():
    assert encoded(Request(path="/a/?b=c"), URL) == (
        b"GET /a/?b=c HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n"
    )
    request = Request(path="/", headers={"COOKIE": "a=b", "HOST": "example.com"})
    assert encoded(request, URL) == (b"GET / HTTP/1.1\r\nHost: example.com\r\nCookie: a=b\r\n\r\n")


def test_a_body_comes_with_its_length_and_type():
    request = Request(path="/", method="POST", body=b"{}", content_type="application/json")

    assert encoded(request, URL).endswith(
        b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    )
    assert b"Content-Length: 0\r\n" in encoded(Request(path="/", method="POST"), URL)


def test_content_is_made_up_to_the_byte():
    head, _, body = encoded(Request(path="/", method="PUT", body_size=1000), URL).partition(
        b"\r\n\r\n"
    )

    assert len(body) == 1000
    assert b"Content-Length: 1000" in head


def test_an_upload_is_what_django_parses():
    request = Request(path="/", method="POST", body_size=3000, upload_field="picture")
    head, _, body = encoded(request, URL).partition(b"\r\n\r\n")
    handler = MemoryFileUploadHandler()
    handler.handle_raw_input(None, {}, len(body), None)
    meta = {
        "CONTENT_TYPE": re.search(rb"Content-Type: (.*)\r\n", head)[1].decode(),
        "CONTENT_LENGTH": re.search(rb"Content-Length: (\d+)", head)[1].decode(),
    }

    assert int(meta["CONTENT_LENGTH"]) == len(body)
    posted, files = MultiPartParser(meta, io.BytesIO(body), [handler]).parse()
    assert posted == MultiValueDict()
    (file,) = files.getlist("picture")
    assert (file.name, file.size) == ("upload.bin", 3000)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"path": "json/"}, "begin with a slash"),
        ({"path": "/a b/"}, "percent-encoded"),
        ({"path": "/é/"}, "percent-encoded"),
        ({"path": "/", "headers": {"X": "a\r\nY: b"}}, "'X' has a line break"),
        ({"path": "/", "body": b"a", "body_size": 1}, "leave out one"),
    ],
)
def test_what_cannot_be_sent_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        Request(**given)


@pytest.mark.parametrize("url", ["https://127.0.0.1", "127.0.0.1:8000", "http://127.0.0.1/under/"])
def test_a_url_that_is_no_base_is_refused(url):
    with pytest.raises(LoadError, match="is no base URL"):
        address(url)
    with pytest.raises(LoadError, match="is no base URL"):
        encoded(Request(path="/"), url)


def test_a_host_that_is_not_there_is_named():
    with pytest.raises(LoadError, match=r"http://nowhere\.invalid can't be reached"):
        address("http://nowhere.invalid")


def test_tools_are_modules_of_the_package():
    assert module("arrivals")[1:] == ["-m", "split_deploy.bench.load.arrivals"]

"""The TOML file: what it may say, and what it is told."""

from pathlib import Path

import pytest

from split_deploy.bench.config import EXAMPLE, Config, ConfigError

PAGE = '[[workload]]\nname = "page"\npath = "/"\n'


def read(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "bench.toml"
    path.write_text(text)
    return Config.read(path)


def test_the_example_of_the_error_message_can_be_measured(tmp_path):
    config = read(tmp_path, EXAMPLE)
    assert [each.name for each in config.workload] == ["page", "async-page"]
    assert config.project.wsgi == "wsgi:application"
    assert config.run.topologies[0] == "split"


def test_a_missing_file_comes_with_an_example(tmp_path):
    with pytest.raises(ConfigError, match=r"There is no .*bench.toml. Write one") as raised:
        Config.read(tmp_path / "bench.toml")
    assert EXAMPLE in str(raised.value)


def test_a_request_is_that_of_its_twin_where_all_is_wsgi(tmp_path):
    config = read(
        tmp_path,
        """
        [[workload]]
        name = "page"
        path = "/async/page/"
        wsgi_path = "/page/"
        headers = {Cookie = "{COOKIE}"}
        beside = {path = "/async/late/", wsgi_path = "/late/"}
        """,
    )
    (workload,) = config.workload
    variables = {"COOKIE": "sessionid=1"}
    assert workload.request(wsgi=False, variables=variables).path == "/async/page/"
    twin = workload.request(wsgi=True, variables=variables)
    assert (twin.path, dict(twin.headers)) == ("/page/", {"Cookie": "sessionid=1"})
    assert workload.beside is not None
    flood = workload.beside.request(wsgi=True, headers=workload.headers, variables=variables)
    assert (flood.path, dict(flood.headers)) == ("/late/", {"Cookie": "sessionid=1"})


def test_a_header_whose_variable_was_not_printed_is_an_error(tmp_path):
    config = read(tmp_path, PAGE + 'headers = {Cookie = "{COOKIE}"}\n')
    with pytest.raises(ConfigError, match=r"\{COOKIE\}, and the setup command has printed no line"):
        config.workload[0].request(wsgi=False, variables={})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"there is no \[\[workload\]\]"),
        ("workload = 1\n", "workload is 1: it has to be a list"),
        ("title = 3\n" + PAGE, "title is 3: it has to be a text"),
        ("[[workload]]\nname = 'page'\n", r"workload\[0\] has no path"),
        (PAGE + "conections = 3\n", "unknown; did you mean 'connections'"),
        (PAGE + "connections = true\n", "connections is True: it has to be a whole number"),
        (PAGE + "rate = -1\n", "workload 'page': rate is -1.0: it has to be at least 0"),
        (PAGE + "wsgi_path = 'twin/'\n", "wsgi_path is 'twin/': begin it with a slash"),
        (PAGE + "beside = {path = 'late/'}\n", "beside.path is 'late/': begin it with a slash"),
        (PAGE.replace('"/"', '"/a b"'), "path is '/a b': percent-encode it"),
        (PAGE + "headers = {A = 'β'}\n", "the header 'A' is not Latin-1"),
        (PAGE + 'headers = {A = "a\\nb"}\n', "the header 'A' has a line break"),
        ("[run]\nseconds = nan\n" + PAGE, "run.seconds is nan"),
        (PAGE + "upload_field = 'file'\n", "upload_field needs body_size"),
        (PAGE + "body = 'a'\nbody_size = 3\n", "give body or body_size, not both"),
        (PAGE + "streams = 3\nrate = 2\n", "give streams or rate, not both"),
        (PAGE + "period_ms = 3\n", "period_ms is of streams"),
        (PAGE + "over_time = true\n", "over_time needs beside and rate"),
        (PAGE + "headers = 'a'\n", "headers is 'a': it has to be a table"),
        (PAGE + "topologies = ['mixd']\n", "'mixd'; did you mean 'mixed'"),
        (PAGE + "beside = {path = '/', connections = 0}\n", "beside.connections is 0"),
        (PAGE + PAGE, "workload 'page' is there twice"),
        (PAGE.replace('"page"', '"A page"'), "name has to be of a-z"),
        ("[run]\nprocesses = 1\n" + PAGE, "the split needs one of each kind"),
        ("[run]\nseconds = 0\n" + PAGE, "run.seconds is 0.0: it has to be at least"),
        ("[run]\ntopologies = ['x']\n" + PAGE, "run.topologies has 'x' There are: split"),
        ("[project]\nwsgi = 'wsgi'\n" + PAGE, "project.wsgi is 'wsgi': write it as module:attr"),
        (
            PAGE + "[[curve]]\nname = 'c'\npath = '/'\nvary = 'rate'\nvalues = [1, 2]\n",
            "curve 'c': vary is 'rate'",
        ),
        (
            PAGE + "[[curve]]\nname = 'c'\npath = '/'\nvary = 'streams'\nvalues = [2, 1]\n",
            "curve 'c': values has to be two numbers or more, in order",
        ),
        (
            PAGE + "[[curve]]\nname = 'c'\npath = '/'\nvary = 'connections'\nvalues = [0, 1]\n",
            "curve 'c': values is 0: it has to be at least 1",
        ),
        ("title = \n", "can't be read"),
    ],
)
def test_what_can_not_be_is_named_with_its_key(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message) as raised:
        read(tmp_path, text)
    assert "bench.toml" in str(raised.value)

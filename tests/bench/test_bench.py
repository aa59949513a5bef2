"""``split-deploy bench``, with real servers: what it writes, and what it leaves behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from importlib.resources import files
from pathlib import Path

import jsonschema
import psutil
import pytest

from split_deploy.bench.topologies import TOPOLOGIES
from tests.services import require_postgres

ROOT = Path(__file__).resolve().parents[2]
needs_wrk = pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not on PATH")

PROJECT = """
[project]
wsgi = "benchmarks._site.wsgi:application"
asgi = "benchmarks._site.asgi:application"
sync_settings = "benchmarks._site.sync_settings"
async_settings = "benchmarks._site.async_settings"
mixed_settings = "benchmarks._site.mixed_settings"
threads_variable = "BENCHMARK_THREADS"
setup = "{python} -m benchmarks._site.prepare"
teardown = "{python} -m benchmarks._site.prepare --remove"
[run]
seconds = 0.5
rounds = 2
connections = 4
processes = 2
threads = 2
topologies = ["split", "asgi-uvicorn", "wsgi-gthread"]
quick_topologies = ["split", "asgi-uvicorn"]
[[workload]]
name = "read"
path = "/async/read/postgresql/"
wsgi_path = "/read/postgresql/"
rate = 20
quick = true
"""
MORE = """
[[workload]]
name = "session"
path = "/session/"
headers = {Cookie = "{COOKIE}"}
topologies = ["split"]
beside = {path = "/async/outbound/", connections = 2}
rate = 20
over_time = true
[[workload]]
name = "read-again"
path = "/async/read/postgresql/"
topologies = ["split"]
rounds = 1
[[workload]]
name = "twin"
path = "/read/postgresql/"
rate = 20
topologies = ["split", "wsgi-gthread"]
rounds = 1
[[workload]]
name = "ticks"
path = "/async/ticks/?period=100"
streams = 5
period_ms = 100
topologies = ["split"]
[[curve]]
name = "middleware"
path = "/json/"
vary = "env:BENCHMARK_EXTRA_MIDDLEWARE"
values = [0, 3]
topologies = ["split"]
[[curve]]
name = "connections"
path = "/json/"
vary = "connections"
values = [1, 2]
topologies = ["split"]
"""


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "split_deploy", "bench", *arguments]


def environment(folder: Path, **more: str) -> dict[str, str]:
    foreign = ("DJANGO_SETTINGS_MODULE", "DJANGO_CONFIGURATION")
    return {name: value for name, value in os.environ.items() if name not in foreign} | {
        "BENCHMARK_DATABASE_URL": require_postgres(),
        "BENCHMARK_FOLDER": str(folder / "var"),
        **more,
    }


def bench(folder: Path, text: str, *arguments: str) -> tuple[subprocess.CompletedProcess, dict]:
    """Run it with ``text`` for its file; return what it said, and the report."""
    (folder / "bench.toml").write_text(text)
    output = folder / "out"
    done = subprocess.run(
        command(str(folder / "bench.toml"), "--output", str(output), *arguments),
        cwd=ROOT,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    path = output / "report.json"
    return done, json.loads(path.read_text()) if path.exists() else {}


def conforms(report: dict) -> None:
    schema = files("split_deploy.bench.report").joinpath("schema.json").read_text()
    jsonschema.validate(report, json.loads(schema))


@needs_wrk
def test_a_run_reports_each_workload_on_each_topology_and_the_curves(tmp_path):
    done, report = bench(tmp_path, PROJECT + MORE)
    assert done.returncode == 0, done.stderr
    conforms(report)
    assert {each["name"]: each["skipped"] for each in report["topologies"]} == {
        "split": None,
        "asgi-uvicorn": None,
        "wsgi-gthread": None,
    }
    read, session, read_again, twin, ticks = report["workloads"]
    figures = {each["topology"]: each["figures"] for each in read["results"]}
    assert list(figures) == ["split", "asgi-uvicorn", "wsgi-gthread"]
    for each in figures.values():
        assert each["requests_per_second"]["median"] > 0
        assert each["open_p50_ms"]["median"] > 0
        # Of ten requests there is no such thing.
        assert "open_p99_ms" not in each
        assert each["errors"]["high"] == 0
        assert each["cpu_us"]["median"] > 0
    # One query each. Stock Django sends all of its middleware to a thread, too.
    assert [each["hops"]["median"] for each in figures.values()] == [1, 16, 0]
    assert figures["split"]["connections"]["high"] <= 2 * 2
    assert all(len(each["rounds"]) == 2 for each in read["results"])
    assert {each["topology"] for each in read["ratios"]} == {"asgi-uvicorn", "wsgi-gthread"}

    (result,) = session["results"]
    assert result["figures"]["errors"]["high"] == 0
    assert result["figures"]["beside_per_second"]["median"] > 0
    assert "cpu_us" not in result["figures"]
    began, ended = session["flood_seconds"]
    assert result["timeline"][0][0] < began < ended < result["timeline"][-1][0]

    (result,) = read_again["results"]
    assert result["figures"]["hops"]["median"] == 1, "counted once for both"

    twins = {each["topology"]: each["rounds"][0] for each in twin["results"]}
    rounds = {each["topology"]: each["rounds"][0] for each in read["results"]}
    assert twins["wsgi-gthread"] == rounds["wsgi-gthread"], "measured once for both"
    assert twins["split"] != rounds["split"]
    assert report["versions"]["database default"].startswith("PostgreSQL ")
    assert "fsync " in report["versions"]["database default"]

    (result,) = ticks["results"]
    assert result["figures"]["streams"]["low"] == 5
    assert "bytes_per_stream" in result["figures"]
    assert result["figures"]["tick_p99_ms"]["median"] >= 0

    assert [(each["name"], len(each["results"][0]["points"])) for each in report["curves"]] == [
        ("middleware", 2),
        ("connections", 2),
    ]
    assert report["noise"]["self"][0]["workload"] == "read"
    assert (tmp_path / "out" / "report.html").stat().st_size > 10_000
    assert list((tmp_path / "out" / "charts").glob("*.svg"))


def started_by(process: subprocess.Popen) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def cores_of(processes: list[psutil.Process]) -> dict[str, set[int]]:
    """The cores on which the servers, nginx and what answers late may run."""
    found: dict[str, set[int]] = {}
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            command = " ".join(process.cmdline())
            for name in ("nginx", "split_deploy.bench.slow", "gunicorn", "uvicorn"):
                if name in command:
                    found.setdefault(name, set()).update(process.cpu_affinity())
                    break
    return found


@needs_wrk
def test_a_ctrl_c_keeps_what_was_measured_and_leaves_no_process(tmp_path):
    (tmp_path / "bench.toml").write_text(PROJECT.replace("rounds = 2", "rounds = 100"))
    output = tmp_path / "out"
    with subprocess.Popen(
        command(str(tmp_path / "bench.toml"), "--output", str(output)),
        cwd=ROOT,
        env=environment(tmp_path),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("[3/"):
                break
        children = started_by(process)
        cores = cores_of(children)
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert len(children) > 6
    assert process.returncode == 130, rest
    assert "Interrupted: what was measured is kept." in rest
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive
    report = json.loads((output / "report.json").read_text())
    conforms(report)
    assert report["interrupted"] is True
    assert report["workloads"][0]["results"]
    machine = report["machine"]
    if machine["pinned"]:
        assert cores["nginx"] == set(machine["load_cores"])
        assert cores["split_deploy.bench.slow"] == set(machine["load_cores"])
        for server in ("gunicorn", "uvicorn"):
            assert cores[server] == set(machine["server_cores"])
        assert not cores["nginx"] & cores["gunicorn"]


@needs_wrk
def test_what_was_shown_is_kept_even_if_a_ctrl_c_comes_at_once(tmp_path):
    # Its servers are for it alone, and are being stopped by then.
    (tmp_path / "bench.toml").write_text(PROJECT + MORE)
    output = tmp_path / "out"
    with subprocess.Popen(
        command(str(tmp_path / "bench.toml"), "--only", "ticks", "--output", str(output)),
        cwd=ROOT,
        env=environment(tmp_path),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("[1/"):
                process.send_signal(signal.SIGINT)
                break
        rest = process.stderr.read()
    assert process.returncode == 130, rest
    (ticks,) = json.loads((output / "report.json").read_text())["workloads"]
    assert [len(each["rounds"]) for each in ticks["results"]] == [1]


@needs_wrk
def test_what_does_not_start_is_left_out_with_its_last_words_and_the_rest_is_measured(tmp_path):
    broken = PROJECT.replace("benchmarks._site.wsgi:application", "benchmarks.nowhere:application")
    done, report = bench(tmp_path, broken, "--quick", "--rounds", "1")
    assert done.returncode == 1, done.stderr
    conforms(report)
    skipped = {each["name"]: each["skipped"] for each in report["topologies"]}
    assert "No module named 'benchmarks.nowhere'" in skipped["split"]
    assert skipped["asgi-uvicorn"] is None
    (read,) = report["workloads"]
    assert [each["topology"] for each in read["results"]] == ["asgi-uvicorn"]
    assert read["ratios"] == []


@needs_wrk
def test_a_teardown_that_fails_loses_nothing_that_was_measured(tmp_path):
    broken = PROJECT.replace("{python} -m benchmarks._site.prepare --remove", "false")
    done, report = bench(tmp_path, broken, "--quick", "--rounds", "1", "--seconds", "0.2")
    assert done.returncode == 1, done.stderr
    assert "project.teardown has ended with 1" in done.stderr
    assert report["workloads"][0]["results"]
    assert report["parameters"]["seconds"] == 0.2


@needs_wrk
def test_a_quick_run_takes_what_is_quick_on_its_own_topologies(tmp_path):
    project = PROJECT.replace("quick = true", "quick = true\nseconds = 4\nrounds = 1")
    done, report = bench(tmp_path, project + MORE, "--quick")
    assert done.returncode == 0, done.stderr
    (read,) = report["workloads"]
    assert read["name"] == "read"
    # Whatever the file says, all are measured for a second, and as often as the others.
    assert read["seconds"] == 1
    assert all(len(each["rounds"]) == 2 for each in read["results"])
    assert [each["name"] for each in report["topologies"]] == ["split", "asgi-uvicorn"]
    assert report["curves"] == []
    assert report["parameters"]["seconds"] == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            PROJECT.replace("_site.mixed_settings", "_site.nowhere"),
            "The settings module 'benchmarks._site.nowhere' can't be loaded",
        ),
        (PROJECT.replace('prepare"', 'nowhere"'), "project.setup has ended with 1"),
        (PROJECT.replace('setup = "{python}', 'setup = "no-such-program'), "can't be run"),
        (PROJECT.replace("quick = true", "quik = true"), "did you mean 'quick'"),
        (PROJECT.replace('setup = "', 'setup = "\\"'), "project.setup can't be run"),
        (None, "There is no"),
    ],
)
@needs_wrk
def test_what_can_not_begin_is_refused_with_the_reason(tmp_path, text, message):
    if text is None:
        done = subprocess.run(
            command(str(tmp_path / "bench.toml")), capture_output=True, text=True, check=False
        )
    else:
        done, report = bench(tmp_path, text)
        assert report == {}
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_without_wrk_it_says_how_to_install_it(tmp_path):
    done = subprocess.run(
        command(), env=environment(tmp_path, PATH=""), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "apt-get install wrk" in done.stderr


def test_an_unknown_name_is_answered_with_those_that_there_are(tmp_path):
    done, _ = bench(tmp_path, PROJECT, "--only", "reed")
    assert done.returncode == 2
    assert "--only reed: there is no such workload or curve to measure. There are: read." in (
        done.stderr
    )


def test_two_reports_are_compared_by_what_their_rounds_vary_by(tmp_path):
    def written(name: str, *values: float) -> str:
        rounds = [{"requests_per_second": value} for value in values]
        result = {"topology": "split", "rounds": rounds}
        path = tmp_path / name
        path.write_text(json.dumps({"workloads": [{"name": "page", "results": [result]}]}))
        return str(path)

    def compared(*paths: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            command("--compare", *paths), capture_output=True, text=True, check=False
        )

    first = written("first.json", 90, 100, 110)
    done = compared(first, written("second.json", 100, 110, 120))
    assert done.returncode == 0
    assert done.stdout == (
        "1 of 1 figures agree within what their rounds vary by. "
        "Half of the 1 medians of requests a second differ by at most 10%.\n"
    )
    done = compared(first, written("third.json", 200, 210, 220))
    assert done.returncode == 1
    assert "page, split, requests_per_second: 100 (77.7 to 128) and 210 (" in done.stdout
    assert "+110%" in done.stdout
    other = json.loads(Path(first).read_text()) | {"parameters": {"connections": 8}}
    (tmp_path / "other.json").write_text(json.dumps(other))
    done = compared(first, str(tmp_path / "other.json"))
    assert done.returncode == 2
    assert "parameters.connections is None and 8" in done.stderr
    once = written("once.json", 100)
    assert compared(once, once).returncode == 2
    (tmp_path / "none.json").write_text("[]")
    assert compared(first, str(tmp_path / "none.json")).returncode == 2


def test_a_topology_whose_package_is_missing_names_it(monkeypatch):
    monkeypatch.setattr("split_deploy.bench.topologies.find_spec", lambda name: None)
    assert TOPOLOGIES["wsgi-granian"].missing() == "granian"
    assert TOPOLOGIES["mixed"].missing() == "uvicorn_worker"


def test_each_topology_has_as_many_processes_as_the_others():
    from split_deploy.bench.config import Project
    from split_deploy.bench.topologies import Size

    for topology in TOPOLOGIES.values():
        specs = topology.servers(Project(), Size(processes=4, async_processes=1, threads=8))
        assert sum(spec.number for spec in specs) == 4
        assert {spec.threads for spec in specs} == ({1} if topology.wsgi == "sync" else {8})


def test_what_configures_a_server_in_the_environment_does_not_reach_it(monkeypatch):
    from split_deploy.bench.config import Project
    from split_deploy.bench.topologies import Size

    for name in ("WEB_CONCURRENCY", "UVICORN_WORKERS", "GRANIAN_WORKERS", "GUNICORN_CMD_ARGS"):
        monkeypatch.setenv(name, "7")
    (spec,) = TOPOLOGIES["mixed"].servers(Project(), Size(2, 1, 3))
    found = spec.environment(Project())
    assert not {name for name, value in found.items() if value == "7"}
    assert found["ASYNC_THREADS"] == "3"

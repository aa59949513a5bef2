"""nginx in front of Uvicorn, on a Unix socket that is kept alive: what it costs, and the tail.

    python benchmarks/nginx_unix_socket.py [--seconds 5] [--rounds 5] [--connections 64]

The JSON view of ``async_json.py``, with the seven middleware, natively: ``direct`` over TCP;
``nginx`` as this project ships it, that is with ``split_deploy.event_loop`` and 256 idle
connections kept; ``nginx, stock uvloop``, and with 32 idle connections, as many nginx
configurations have it. Uvicorn has one core; nginx and wrk share another, unless there are three.

Latencies are given twice: as wrk reports them, and as they were, from nginx's log. wrk adds samples
that were never taken for each that is long ("coordinated omission"): the few requests of the first
moment, in which all connections are opened at once, become more than 1 % of its samples.

Prints progress on stderr and one JSON object on stdout. The ratios are medians of the ratios of
each round; ``spread`` is the distance of the quartiles, as a part of the median.
"""

import json
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import _servers as servers

#: name: event loop, idle connections that nginx keeps
SERIES = {
    "nginx": (servers.LOOP, 256),
    "nginx, stock uvloop": ("uvloop", 256),
    "nginx, stock uvloop, 32 idle": ("uvloop", 32),
}
CONFIGURATION = """
worker_processes 1;
daemon off;
pid %FOLDER%/nginx.pid;
error_log stderr error;
events { worker_connections 4096; }
http {
    %TEMPORARY%
    log_format times '$msec $request_time $connection_requests $status';
    upstream async_instance {
        server unix:%SOCKET%;
        keepalive %KEEPALIVE%;
        keepalive_requests 1000;
        keepalive_timeout 60s;
    }
    server {
        listen 127.0.0.1:%PORT%;
        access_log %FOLDER%/access.log times buffer=64k flush=100ms;
        location / {
            proxy_pass http://async_instance;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_buffering off;
            proxy_request_buffering off;
        }
    }
}
"""
PATH = "/async/json/"


def main() -> None:
    """Measure, and print."""
    given = servers.options(__doc__)
    load = partial(servers.wrk, seconds=given.seconds, connections=given.connections)
    with ExitStack() as stack:
        direct = stack.enter_context(servers.uvicorn("native"))
        series: dict[str, Callable[[], dict[str, float]]] = {
            "direct": partial(load, f"{direct.url}{PATH}")
        }
        for name, (loop, keepalive) in SERIES.items():
            folder = stack.enter_context(servers.folder())
            socket, port = str(folder / "async.sock"), servers.free_port()
            stack.enter_context(servers.uvicorn("native", unix_socket=socket, loop=loop))
            stack.enter_context(
                servers.nginx(folder, CONFIGURATION, socket=socket, port=port, keepalive=keepalive)
            )
            series[name] = partial(
                measure, partial(load, f"http://127.0.0.1:{port}{PATH}"), folder / "access.log"
            )
        found = servers.interleaved(series, given.rounds)
    medians = servers.summary(found)
    print(
        json.dumps(
            {
                "machine": servers.machine(),
                "seconds": given.seconds,
                "rounds": given.rounds,
                "connections": given.connections,
                "series": medians,
                "ratios": {
                    "of direct": {
                        "ratio": servers.ratio(found, "nginx", "direct"),
                        "bar": 0.95,
                    },
                    "p99 to p50": {
                        name: round(figures["p99_ms"] / figures["p50_ms"], 2)
                        for name, figures in medians.items()
                    }
                    | {"bar": 4.0},
                    "p99 to p50, in nginx's log": {
                        name: round(figures["log_p99_ms"] / figures["log_p50_ms"], 2)
                        for name, figures in medians.items()
                        if "log_p99_ms" in figures
                    }
                    | {"bar": 4.0},
                },
            }
        )
    )


def measure(load: Callable[[], dict[str, float]], log: Path) -> dict[str, float]:
    """Load nginx, and add what its log says."""
    before = log.stat().st_size
    figures = load()
    time.sleep(0.2)
    with log.open() as lines:
        lines.seek(before)
        # The last line may be written half.
        rows = [[float(field) for field in line.split()] for line in lines if line.count(" ") == 3]
    times = sorted(row[1] * 1000 for row in rows)
    begun = min(row[0] - row[1] for row in rows)
    limit = 4 * times[len(times) // 2]
    slow = [row for row in rows if row[1] * 1000 > limit]
    return figures | {
        "log_p50_ms": times[len(times) // 2],
        "log_p99_ms": times[int(len(times) * 0.99)],
        "log_max_ms": times[-1],
        # Of those that took more than four times the median.
        "slow": len(slow),
        "slow_and_begun_in_the_first_50_ms": sum(row[0] - row[1] < begun + 0.05 for row in slow),
    }


if __name__ == "__main__":
    main()

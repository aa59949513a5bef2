"""Start and stop ``split-deploy run`` again and again: how long it takes, and what it leaves.

    python benchmarks/start_stop.py [ROUNDS]

Each round starts the project on a free port, asks each instance for a page, and stops it with
SIGINT or SIGTERM in turn. Temporary files go to a folder of their own, so that a leftover is
certain to be ours. Prints progress on stderr and one JSON object on stdout, in seconds; exits with
1 if anything is left.
"""

import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INSTANCES = {"/": "sync", "/async/hello/": "async"}


def main(rounds: int) -> int:
    """Run ``rounds`` rounds and return the exit status."""
    starts, stops, leftovers = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        temporary = Path(folder, "tmp")
        temporary.mkdir()
        # Found in the environment of each process that the runner starts, however it detaches.
        mark = f"SPLIT_DEPLOY_ROUND={folder}"
        env = os.environ | {
            "PORT": "0",
            "TMPDIR": str(temporary),
            "DATABASE_URL": f"sqlite:///{folder}/db.sqlite3",
            "DJANGO_STATIC_ROOT": f"{folder}/static",
            "SPLIT_DEPLOY_ROUND": folder,
        }
        for number in range(rounds + 1):
            start, stop = one_round(env, (signal.SIGINT, signal.SIGTERM)[number % 2])
            leftovers += [str(path) for path in temporary.iterdir()]
            leftovers += [f"process {pid}" for pid in processes_with(mark)]
            if number:  # the first one migrates and collects
                starts.append(start)
                stops.append(stop)
                print(f"{number}/{rounds}: {start:.2f} s, {stop:.2f} s", file=sys.stderr)
    print(
        json.dumps(
            {
                "rounds": rounds,
                "start_seconds": summary(starts),
                "stop_seconds": summary(stops),
                "left_behind": leftovers,
            }
        )
    )
    return 1 if leftovers else 0


def one_round(env: dict[str, str], stop_signal: signal.Signals) -> tuple[float, float]:
    """Return the seconds until both instances have answered, and until all has ended."""
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "split_deploy", "run"],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    output = []
    for line in process.stdout:
        output.append(line)
        if answers := re.search(r"(http://\S+)/ answers", line):
            break
    else:
        raise SystemExit(f"It did not start:\n{''.join(output)}")
    for path, role in INSTANCES.items():
        with urllib.request.urlopen(answers[1] + path) as response:
            if response.headers["X-Served-By"] != role:
                raise SystemExit(f"{path} was not answered by the {role} instance.")
    started = time.monotonic()
    process.send_signal(stop_signal)
    rest, _ = process.communicate(timeout=30)
    if process.returncode != 0:
        raise SystemExit(f"It ended with {process.returncode}:\n{''.join(output)}{rest}")
    return started - began, time.monotonic() - started


def processes_with(mark: str) -> list[int]:
    """The ids of the living processes whose environment has ``mark``."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in environ.read_bytes().split(b"\0"):
                found.append(int(environ.parent.name))
        except OSError:
            continue  # it has just ended, or is not ours
    return found


def summary(values: list[float]) -> dict[str, float]:
    """Minimum, median and maximum, in hundredths."""
    return {
        "min": round(min(values), 2),
        "median": round(statistics.median(values), 2),
        "max": round(max(values), 2),
    }


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))

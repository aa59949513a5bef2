"""How late a process wakes up that has little to do, while others compute on every core.

    python benchmarks/scheduling_groups.py [--seconds 10] [--rounds 5] [--computing N]

Linux shares its cores among groups of processes first, and in a group among these. Each session is
such a group (``kernel.sched_autogroup_enabled``), and so are a service of systemd and a container.
N processes compute, one more than there are cores unless that is said, as sync views do. Another
one sleeps for 10 ms again and again, as the event loop of an instance does that has little to do:

- ``one group``: all of them in one session;
- ``a group each``: those that compute in a session, and the one that sleeps in another;
- ``a group each, the largest share``: its group has the greatest weight that there is, if this
  process may give it (``CAP_SYS_NICE``);
- ``a group each, a core left free``: those that compute have the others, where there are two.

Prints progress on stderr and one JSON object on stdout. Figures are by how many milliseconds it
wakes up later than it should: medians of the rounds, and of ``max_ms`` the most of all of them. It
ends with status 2 where Linux doesn't make groups of sessions.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import _servers as servers
from split_deploy.bench.load.figures import percentile
from split_deploy.bench.load.process import on
from split_deploy.bench.statistics import rounded

_SWITCH = Path("/proc/sys/kernel/sched_autogroup_enabled")
#: The nice value of a group with the greatest weight: sched(7), "The autogroup feature".
_LARGEST = "-20"
_COMPUTE = """\
import os, sys
for _ in range(int(sys.argv[1]) - 1):
    if os.fork() == 0:
        break
while True:
    pass
"""
_SLEEP = """\
import json, sys, time
late, end = [], time.perf_counter() + float(sys.argv[1])
while (begun := time.perf_counter()) < end:
    time.sleep(0.01)
    late.append((time.perf_counter() - begun - 0.01) * 1000)
json.dump(late, sys.stdout)
"""


def main() -> None:
    """Measure, and print."""
    given = servers.options(__doc__, seconds=10.0, computing=len(servers.CORES) + 1)
    if not _SWITCH.exists() or _SWITCH.read_text().strip() != "1":
        print(
            f"{_SWITCH} is not 1, so sessions are no groups here and there is nothing to compare.",
            file=sys.stderr,
        )
        raise SystemExit(2)
    apart = partial(late, given.seconds, given.computing, apart=True)
    series: dict[str, Callable[[], dict[str, float]]] = {
        "one group": partial(late, given.seconds, given.computing, apart=False),
        "a group each": apart,
    }
    if may_have(_LARGEST):
        series["a group each, the largest share"] = partial(apart, share=_LARGEST)
    if len(servers.CORES) > 1:
        series["a group each, a core left free"] = partial(apart, cores=servers.CORES[:-1])
    found = servers.interleaved(series, given.rounds, warm_up=False)
    summary = servers.summary(found)
    for name, rounds in found.items():
        summary[name]["max_ms"] = rounded(max(each["max_ms"] for each in rounds))
    print(
        json.dumps(
            {
                "machine": servers.machine() | {"system": f"Linux {os.uname().release}"},
                "seconds": given.seconds,
                "rounds": given.rounds,
                "computing": given.computing,
                "series": summary,
            }
        )
    )


def may_have(share: str) -> bool:
    """Whether this process may give such a share to a group."""
    with python(_SLEEP, 0, cores=servers.CORES, is_session=True) as process:
        try:
            Path(f"/proc/{process.pid}/autogroup").write_text(share)
        except PermissionError:
            return False
    return True


def late(
    seconds: float,
    computing: int,
    *,
    apart: bool,
    share: str = "",
    cores: Sequence[int] = servers.CORES,
) -> dict[str, float]:
    """Let ``computing`` processes compute on ``cores`` and another one sleep, for so long.

    Those that compute are in a session of their own if they are to be ``apart``. ``share`` is the
    nice value of the group of the one that sleeps.
    """
    with python(_COMPUTE, computing, cores=cores, is_session=apart):
        time.sleep(0.5)  # until all of them are there
        with python(_SLEEP, seconds, cores=servers.CORES, is_session=bool(share)) as sleeping:
            if share:
                Path(f"/proc/{sleeping.pid}/autogroup").write_text(share)
            output, _ = sleeping.communicate()
    ordered = sorted(json.loads(output))
    return {
        "p50_ms": percentile(ordered, 50),
        "p99_ms": percentile(ordered, 99),
        "max_ms": ordered[-1],
    }


@contextmanager
def python(
    code: str, argument: float, *, cores: Collection[int], is_session: bool
) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``code`` on ``cores`` in a process group, if not in a session, of its own; kill it."""
    with (
        on(cores),
        subprocess.Popen(
            [sys.executable, "-c", code, str(argument)],
            stdout=subprocess.PIPE,
            start_new_session=is_session,
            process_group=None if is_session else 0,
        ) as process,
    ):
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


if __name__ == "__main__":
    main()

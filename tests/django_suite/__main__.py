"""Run Django's own tests with this package's handlers and middleware in the place of Django's."""

import argparse
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import django

from tests.django_suite import replacement, sdist, skips
from tests.django_suite.replacement import Mode
from tests.django_suite.run import Report, run

#: Django's tests that meet a handler or a middleware. The cache's mostly sleep, so they are a
#: process of their own beside the others.
GROUPS: Final = (
    ("cache",),
    (
        *("asgi", "async", "auth_tests", "csrf_tests", "handlers", "httpwrappers", "i18n"),
        *("messages_tests", "middleware", "middleware_exceptions", "requests_tests", "responses"),
        *("sessions_tests", "signals", "test_client", "view_tests"),
        # Those of the remaining middleware, and uploads.
        *(
            "admin_docs",
            "file_uploads",
            "flatpages_tests",
            "redirects_tests",
            "sites_tests",
            "wsgi",
        ),
    ),
)

#: Run among Django's: shows that what these test is ours.
PROOF: Final = "tests.django_suite.proof"


def main() -> int:
    """Return 0 if nothing fails that passes with Django's own classes."""
    options = _options()
    tests = sdist.tests_of_django()
    print(f"Django {django.__version__} on Python {sys.version.split()[0]}", flush=True)
    started = time.monotonic()
    groups = [options.labels] if options.labels else GROUPS
    with ThreadPoolExecutor(options.jobs) as pool:
        futures = [
            pool.submit(run, tests, mode, [*labels, *_proof(mode)], broken=options.broken)
            for mode in options.mode
            for labels in groups
        ]
        reports = [future.result() for future in futures]
    if options.list:
        _list_replaced(reports)
    wrong = sum(_summary(mode, reports, tests) for mode in options.mode)
    print(f"\n{'Failed' if wrong else 'Passed'} in {time.monotonic() - started:.0f} s.")
    return 1 if wrong else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.django_suite", description=__doc__)
    parser.add_argument("labels", nargs="*", help="of Django's tests; without any, all that matter")
    parser.add_argument(
        "--mode",
        action="append",
        choices=replacement.MODES,
        help="; ".join(f"{mode}: {meaning}" for mode, meaning in replacement.MODES.items())
        + ". Without any: sync and async",
    )
    parser.add_argument(
        "--break",
        dest="broken",
        default="",
        metavar="CLASS",
        help="make one of the middleware do nothing, such as CsrfViewMiddleware",
    )
    parser.add_argument("--list", action="store_true", help="list what is replaced by what")
    parser.add_argument(
        "--jobs", type=int, default=2 * (os.cpu_count() or 1), help="how many processes at once"
    )
    options = parser.parse_args()
    options.mode = options.mode or ["sync", "async"]
    return options


def _proof(mode: Mode) -> list[str]:
    return [PROOF] if mode in ("sync", "async") else []


def _list_replaced(reports: Sequence[Report]) -> None:
    for mode in dict.fromkeys(report.mode for report in reports):
        print(f"\nReplaced in mode {mode}:")
        lines = {line for report in reports if report.mode == mode for line in report.replaced}
        print("\n".join(sorted(lines)))


def _summary(mode: Mode, reports: Sequence[Report], tests: Path) -> int:
    """Print what came of ``mode``, and return how much of it is wrong."""
    made = [report for report in reports if report.mode == mode]
    failed = {name: text for report in made for name, text in report.failed.items()}
    skipped = {name: why for report in made for name, why in report.skipped.items()}
    passed = sum(len(report.passed) for report in made)
    replaced = len({line for report in made for line in report.replaced})
    print(f"\n==> {mode}: {replacement.MODES[mode]} ({replaced} classes replaced)")
    print(f"{passed} passed, {len(failed)} failed, {len(skipped)} skipped", flush=True)
    wrong = 0
    for report in made:
        if not report.passed or (report.code and not report.failed):
            print(f"A process ended with {report.code} and ran nothing:\n{report.output[-4000:]}")
            wrong += 1
    for reason, count in sorted(Counter(skipped.values()).items()):
        known = skips.why(reason)
        wrong += known is None
        print(f"    {count:3} x {reason}: {known or 'a NEW reason, not in skips.py'}")
    return wrong + _judge(mode, failed, tests)


def _judge(mode: Mode, failed: dict[str, str], tests: Path) -> int:
    if not failed:
        return 0
    if mode == "django":
        for name, text in failed.items():
            print(f"\nFAILED {name}\n{text}")
        return len(failed)
    labels = {_label(name) for name in failed if PROOF not in name}
    again = run(tests, "django", sorted(labels)).failed if labels else {}
    as_django = failed.keys() & again.keys()
    for name in sorted(as_django):
        print(f"    fails with Django's own, too: {name}")
    for name in sorted(failed.keys() - as_django):
        print(f"\nFAILED {name}\n{failed[name]}")
    return len(failed.keys() - as_django)


def _label(name: str) -> str:
    """What to run for the test called ``name``, which may be the set-up of a class."""
    inside = re.fullmatch(r"\w+ \((.+)\)", name)
    return inside[1] if inside else name


if __name__ == "__main__":
    sys.exit(main())

"""The test runner that Django's ``runtests.py`` is told to use, by ``settings.py``."""

import json
import os
import time
import unittest
from pathlib import Path
from typing import Any, Final

from django.test.runner import DiscoverRunner

from tests.django_suite import replacement, skips

#: Which of the modes, and where the outcome of each test is written.
MODE: Final = "DJANGO_SUITE_MODE"
REPORT: Final = "DJANGO_SUITE_REPORT"


class Result(unittest.TextTestResult):
    """Remembers each test's outcome: why it was skipped, or how it failed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.passed: list[str] = []
        self.skips: dict[str, str] = {}
        self.failed: dict[str, str] = {}

    def addSuccess(self, test: Any) -> None:  # noqa: N802
        super().addSuccess(test)
        self.passed.append(test.id())

    def addExpectedFailure(self, test: Any, err: Any) -> None:  # noqa: N802
        super().addExpectedFailure(test, err)
        self.passed.append(test.id())

    def addSkip(self, test: Any, reason: str) -> None:  # noqa: N802
        super().addSkip(test, reason)
        self.skips[_id(test)] = reason

    def addFailure(self, test: Any, err: Any) -> None:  # noqa: N802
        super().addFailure(test, err)
        self._add_failed(test, self.failures[-1][1])

    def addError(self, test: Any, err: Any) -> None:  # noqa: N802
        super().addError(test, err)
        self._add_failed(test, self.errors[-1][1])

    def addUnexpectedSuccess(self, test: Any) -> None:  # noqa: N802
        super().addUnexpectedSuccess(test)
        self._add_failed(test, "unexpected success")

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:  # noqa: N802
        super().addSubTest(test, subtest, err)
        if err is not None:
            found = self.failures if issubclass(err[0], test.failureException) else self.errors
            self._add_failed(test, f"{subtest}\n{found[-1][1]}")

    def _add_failed(self, test: Any, text: str) -> None:
        self.failed.setdefault(_id(test), text)


def _id(test: Any) -> str:
    # A subtest, or the "setUpClass (module.Class)" of unittest.
    test = getattr(test, "test_case", test)
    return str(test.id())


class Runner(DiscoverRunner):
    """Puts our classes in place, and writes down what came out."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.mode: replacement.Mode = os.environ[MODE]  # type: ignore[assignment]
        self.started = time.monotonic()
        # The apps are loaded, and the test modules are not.
        for item in replacement.put_in_place(self.mode):
            self.log(f"Replaced: {item}")

    def get_resultclass(self) -> type[Result]:
        return Result

    def build_suite(self, *args: Any, **kwargs: Any) -> unittest.TestSuite:
        suite = super().build_suite(*args, **kwargs)
        if left := replacement.left_over():
            raise SystemExit("Not replaced:\n" + "\n".join(left))
        if self.mode in ("sync", "async"):
            skips.apply(suite, self.mode)
        return suite

    def run_suite(self, suite: Any, **kwargs: Any) -> Result:
        result: Result = super().run_suite(suite, **kwargs)
        report = {
            "mode": self.mode,
            "seconds": round(time.monotonic() - self.started, 1),
            "replaced": [str(item) for item in replacement.done],
            "passed": result.passed,
            "skipped": result.skips,
            "failed": result.failed,
        }
        Path(os.environ[REPORT]).write_text(json.dumps(report))
        return result

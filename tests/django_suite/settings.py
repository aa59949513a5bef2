"""What Django's own tests run with on SQLite, and the runner that puts our classes in place."""

from test_sqlite import *  # noqa: F403  (Django's, beside its tests)

TEST_RUNNER = "tests.django_suite.runner.Runner"
SPLIT_DEPLOY = {"ROLE": "mixed"}

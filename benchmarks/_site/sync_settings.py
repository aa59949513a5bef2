"""The same as ``settings``, for Gunicorn."""

import os

os.environ["BENCHMARK_STACK"] = "gthread"

from benchmarks._site.settings import *  # noqa: F403

"""What ``BENCHMARK_URL_PATTERNS`` adds to both URLconfs, before the views that are measured."""

import os
from collections.abc import Callable
from typing import Any

from django.urls import URLPattern, path


def extra_patterns(view: Callable[..., Any]) -> list[URLPattern]:
    """So many patterns, which nobody asks for, that lead to ``view``."""
    number = int(os.environ.get("BENCHMARK_URL_PATTERNS", "0"))
    return [path(f"p{index}/<int:pk>/", view) for index in range(number)]

"""Loaded by pytest first of all (``-p`` in pyproject.toml): what tests see of the environment.

Unit tests run under the sync instance's settings; ``pytest.mark.urls("async_urls")`` gives them the
other instance's URLs. A developer's shell must not decide what they see.
"""

import os

FOREIGN = (
    "ACCESS_LOG",
    "DATABASE_URL",
    "CACHE_URL",
    "DJANGO_",
    "ASYNC_",
    "WATCH_",
    "TUTORIAL_",
    "SPLIT_DEPLOY_",
)

for name in list(os.environ):
    if name.startswith(FOREIGN):
        del os.environ[name]
os.environ["DJANGO_ENV"] = "test"
os.environ["DJANGO_DOTENV"] = ""

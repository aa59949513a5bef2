"""Loaded by pytest first of all (``-p`` in pyproject.toml): what tests see of the environment.

Unit tests run under the sync instance's settings; ``pytest.mark.urls("async_urls")`` gives them the
other instance's URLs. A developer's shell must not decide what they see.
"""

import os
import signal

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
# Under nohup, or in the background of a script, these are ignored, and so they would be by what the
# tests start and then stop with them.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

"""What ``what_helps.py`` serves: this project as it is in production, and a view or two more.

No module of the package ``benchmarks``, which another checkout (``--against``) has of its own.
"""

import os
from pathlib import Path

from split_settings.tools import include

from split_deploy.middleware._names import NATIVE

os.environ["DJANGO_ENV"] = "production"
os.environ.update(
    DJANGO_SECRET_KEY="for measurements alone, on this machine and for no more than a minute",
    DJANGO_ALLOWED_HOSTS="127.0.0.1",
    DJANGO_SECURE_SSL_REDIRECT="false",
    DATABASE_URL="sqlite:////dev/null",
    CACHE_URL="locmemcache://",
)

ROLE = os.environ["BENCHMARK_ROLE"]
# In the folder that is served.
include(str(Path.cwd() / "settings" / f"{ROLE}_only.py"))

ROOT_URLCONF = "_what_helps_urls"
STORAGES = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
# The class names of what is left out.
WITHOUT = os.environ.get("BENCHMARK_WITHOUT", "").split()
MIDDLEWARE = [
    path
    for path in MIDDLEWARE  # noqa: F821 - it is included
    if path.rpartition(".")[2] not in WITHOUT
]
if "middleware" in os.environ.get("BENCHMARK_DJANGO", ""):
    DJANGOS = {native: django for django, native in NATIVE.items()}
    MIDDLEWARE = [DJANGOS.get(path, path) for path in MIDDLEWARE]
SPLIT_DEPLOY[f"{ROLE.upper()}_URLCONF"] = ROOT_URLCONF  # noqa: F821

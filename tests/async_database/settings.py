"""The async instance with the option on, and views of its own."""

from split_settings.tools import include

include("../../settings/async_only.py")

ROOT_URLCONF = "tests.async_database.views"
SPLIT_DEPLOY["ASYNC_URLCONF"] = ROOT_URLCONF

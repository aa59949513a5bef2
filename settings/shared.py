"""What both instances share, in the order in which a later file may change an earlier one."""

from split_settings.tools import include

from settings.env import DJANGO_ENV

include(
    "components/apps.py",
    "components/http.py",
    "components/templates.py",
    "components/database.py",
    "components/cache.py",
    "components/auth.py",
    "components/i18n.py",
    "components/static.py",
    "components/security.py",
    "components/logging.py",
    "components/split.py",
    "components/example.py",
    f"environments/{DJANGO_ENV}.py",
)

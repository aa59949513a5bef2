"""Those of the tests, with PostgreSQL: in a schema of the database that there is."""

from split_settings.tools import include

from settings.env import env
from tests.services import DATABASE_URL

SCHEMA = "middleware_tests"

include("../../settings/sync_only.py")

DATABASES = {"default": env.db_url_config(DATABASE_URL)}
DATABASES["default"]["OPTIONS"] = {"options": f"-c search_path={SCHEMA}"}
DATABASES["default"]["TEST"] = {"NAME": DATABASES["default"]["NAME"]}

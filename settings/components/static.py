"""nginx serves STATIC_ROOT, which `collectstatic` fills; neither instance serves a static file."""

from pathlib import Path

from settings.env import BASE_DIR, env

STATIC_URL = "/static/"
STATIC_ROOT = Path(env.str("DJANGO_STATIC_ROOT", default=str(BASE_DIR / "var" / "static")))

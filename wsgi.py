"""The sync instance, for Gunicorn: ``gunicorn wsgi:application``."""

import os

from split_deploy.wsgi import get_sync_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.sync_only")

application = get_sync_application()

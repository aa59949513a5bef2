"""The sync instance."""

import os

from split_deploy.wsgi import get_sync_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks._site.sync_settings")

application = get_sync_application()

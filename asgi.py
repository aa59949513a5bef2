"""The async instance, for Uvicorn: ``uvicorn asgi:application``.

Under ``settings.mixed`` it is the mixed one, for Gunicorn or Uvicorn: see docs/topologies.md.
"""

import os

from split_deploy.asgi import get_async_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.async_only")

application = get_async_application()

"""The async instance, or the mixed one: what ``DJANGO_SETTINGS_MODULE`` says."""

import os

from split_deploy.asgi import get_async_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks._site.async_settings")

application = get_async_application()

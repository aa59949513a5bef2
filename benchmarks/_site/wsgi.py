"""For Gunicorn."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks._site.settings")

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()

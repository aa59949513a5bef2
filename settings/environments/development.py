from settings.env import env

DEBUG = env.bool("DJANGO_DEBUG", default=True)

# Without Django's cached loader an edited template is seen at the next request: no autoreloader
# empties the cache under Gunicorn and Uvicorn.
_loaders = [
    "django.template.loaders.filesystem.Loader",
    "django.template.loaders.app_directories.Loader",
]
if DEBUG:
    TEMPLATES[0]["APP_DIRS"] = False
    TEMPLATES[0]["OPTIONS"]["loaders"] = _loaders

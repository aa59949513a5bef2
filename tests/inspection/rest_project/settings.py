"""What both instances share."""

SECRET_KEY = "only-for-a-test"
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "split_deploy"]
MIDDLEWARE = [
    "split_deploy.middleware.InstanceMiddleware",
    "split_deploy.middleware.HealthMiddleware",
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
SPLIT_DEPLOY = {
    "SYNC_SETTINGS": "rest_project.settings_sync",
    "ASYNC_SETTINGS": "rest_project.settings_async",
    "SYNC_URLCONF": "rest_project.sync_urls",
    "ASYNC_URLCONF": "rest_project.async_urls",
}

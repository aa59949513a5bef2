INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "split_deploy",
    "app",
]

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

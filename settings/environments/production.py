"""What must be right before strangers are let in. `manage.py check --deploy` finds nothing here.

https://docs.djangoproject.com/en/stable/howto/deployment/checklist/
"""

from django.core.exceptions import ImproperlyConfigured

from settings.env import env

_missing = [
    name
    for name in ("DJANGO_SECRET_KEY", "DJANGO_ALLOWED_HOSTS", "DATABASE_URL", "CACHE_URL")
    if not env.str(name, default="")
]
if _missing:
    raise ImproperlyConfigured(
        f"DJANGO_ENV=production needs {', '.join(_missing)} in the environment. "
        ".env.example says what each is."
    )

# The length is the one that `check --deploy` asks for (security.W009).
if SECRET_KEY.startswith("django-insecure-") or len(SECRET_KEY) < 50:
    raise ImproperlyConfigured(
        "DJANGO_SECRET_KEY is not fit for production: it starts with 'django-insecure-' or has "
        "fewer than 50 characters. Make one with: "
        "python -c 'import secrets; print(secrets.token_urlsafe(50))'"
    )

if DATABASES["default"].get("PASSWORD", "").startswith("insecure"):
    raise ImproperlyConfigured(
        "DATABASE_URL has the password of docker-compose.yml's first try. Set POSTGRES_PASSWORD "
        "(and DATABASE_URL, if you set it yourself) to a real one."
    )

DEBUG = False

# HTTPS, up to the client. nginx or the load balancer before it ends TLS; see docs/nginx.md.
SECURE_SSL_REDIRECT = env.bool("DJANGO_SECURE_SSL_REDIRECT", default=True)
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
# Seconds. An hour, so that a mistake is soon forgotten; raise it to a year when HTTPS is settled.
SECURE_HSTS_SECONDS = env.int("DJANGO_HSTS_SECONDS", default=3600)
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("DJANGO_HSTS_INCLUDE_SUBDOMAINS", default=True)
SECURE_HSTS_PRELOAD = env.bool("DJANGO_HSTS_PRELOAD", default=True)

# Names with a hash of the content, so that nginx lets browsers keep them for a year.
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
}

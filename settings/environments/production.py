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
_problems = []
if _missing:
    _problems.append(f"Set {', '.join(_missing)}: .env.example says what each is.")
_keys = {"DJANGO_SECRET_KEY": [SECRET_KEY], "DJANGO_SECRET_KEY_FALLBACKS": SECRET_KEY_FALLBACKS}
for _name, _values in _keys.items():
    # What `check --deploy` asks for (security.W009 and W025).
    if _name not in _missing and any(
        key.startswith("django-insecure-") or len(key) < 50 or len(set(key)) < 5 for key in _values
    ):
        _problems.append(
            f"{_name} starts with 'django-insecure-' or has fewer than 50 characters, or 5 "
            "different ones; make one with: "
            "python -c 'import secrets; print(secrets.token_urlsafe(50))'"
        )
if "DJANGO_ALLOWED_HOSTS" not in _missing and not ALLOWED_HOSTS:
    _problems.append("DJANGO_ALLOWED_HOSTS has no host in it.")
if DATABASES["default"].get("PASSWORD", "").startswith("insecure"):
    _problems.append(
        "DATABASE_URL has the password of docker-compose.yml's first try; set POSTGRES_PASSWORD to "
        "a real one (and DATABASE_URL, if you set it yourself)."
    )
if _problems:
    raise ImproperlyConfigured(" ".join(["Not fit for DJANGO_ENV=production.", *_problems]))

DEBUG = False

# HTTPS, up to the client. nginx or the load balancer before it ends TLS; see docs/nginx.md.
SECURE_SSL_REDIRECT = env.bool("DJANGO_SECURE_SSL_REDIRECT", default=True)
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
# Seconds. An hour, so that a mistake is soon forgotten; raise it to a year when HTTPS is settled.
SECURE_HSTS_SECONDS = env.number("DJANGO_HSTS_SECONDS", default=3600)
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("DJANGO_HSTS_INCLUDE_SUBDOMAINS", default=True)
SECURE_HSTS_PRELOAD = env.bool("DJANGO_HSTS_PRELOAD", default=True)

# Names with a hash of the content, so that nginx lets browsers keep them for a year.
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
}

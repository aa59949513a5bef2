"""https://docs.djangoproject.com/en/stable/topics/security/"""

from settings.env import env

# environments/production.py insists on a real one.
INSECURE_SECRET_KEY = "django-insecure-for-development-only-and-refused-in-production"  # noqa: S105

SECRET_KEY = env.str("DJANGO_SECRET_KEY", default=INSECURE_SECRET_KEY)
# Keys that are no longer used to sign but still accepted, so that a change of key ends no session.
SECRET_KEY_FALLBACKS = env.list("DJANGO_SECRET_KEY_FALLBACKS", default=[])

DEBUG = False
ALLOWED_HOSTS = env.list("DJANGO_ALLOWED_HOSTS", default=[".localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("DJANGO_CSRF_TRUSTED_ORIGINS", default=[])

# The scheme of the client's request reaches Django as that of its own: Gunicorn and Uvicorn take it
# from X-Forwarded-Proto, and only from the proxy. SECURE_PROXY_SSL_HEADER would trust anybody.

X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"

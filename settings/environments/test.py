from settings.env import env

# Of its own for each test process.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

TUTORIAL_STEP_SECONDS = env.number("TUTORIAL_STEP_SECONDS", default=0.01)

from settings.env import env

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

TUTORIAL_STEP_SECONDS = env.number("TUTORIAL_STEP_SECONDS", default=0.01)

from .settings import *  # noqa: F403

ROOT_URLCONF = "rest_project.async_urls"
SPLIT_DEPLOY = {**SPLIT_DEPLOY, "ROLE": "async"}  # noqa: F405

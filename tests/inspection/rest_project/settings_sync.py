from .settings import *  # noqa: F403

ROOT_URLCONF = "rest_project.sync_urls"
SPLIT_DEPLOY = {**SPLIT_DEPLOY, "ROLE": "sync"}  # noqa: F405

"""What the example in app/ needs. Delete this file with it."""

from settings.env import env
from split_deploy import reverse_lazy

# A page of the sync instance, to which the async one redirects as well.
LOGIN_URL = reverse_lazy("login")
LOGIN_REDIRECT_URL = "board"
LOGOUT_REDIRECT_URL = "home"

# Whether the board may fetch from private addresses (this machine, your network). Everybody with a
# login chooses what it fetches, so this is for local use.
WATCH_ALLOW_PRIVATE_TARGETS = env.bool("WATCH_ALLOW_PRIVATE_TARGETS", default=False)

# What the tutorial's views call: by default the project itself, so they work without internet.
# `make run` says in SPLIT_DEPLOY_URL where that is.
TUTORIAL_ENDPOINT = env.str(
    "TUTORIAL_ENDPOINT",
    default=env.str("SPLIT_DEPLOY_URL", default="http://127.0.0.1:8000") + "/async/healthz/",
)
# Seconds between two of the numbers that they count.
TUTORIAL_STEP_SECONDS = env.number("TUTORIAL_STEP_SECONDS", default=1.0)

"""The ids: one place that shows which are taken. An id is never given to another check."""

from typing import Final

SYNC_VIEW_IN_ASYNC_URLCONF: Final = "split_deploy.E001"
ASYNC_VIEW_IN_SYNC_URLCONF: Final = "split_deploy.E002"
VIEW_THAT_FAILS: Final = "split_deploy.E003"
VIEW_WITH_A_PROBLEM: Final = "split_deploy.W004"
URLCONF_DOES_NOT_LOAD: Final = "split_deploy.E005"

ASYNC_URL_OUTSIDE_PREFIX: Final = "split_deploy.E011"
SYNC_URL_INSIDE_PREFIX: Final = "split_deploy.E012"
AMBIGUOUS_NAME: Final = "split_deploy.E013"
LOGIN_URL_DOES_NOT_RESOLVE: Final = "split_deploy.E014"
ERROR_HANDLER_DOES_NOT_FIT: Final = "split_deploy.E015"
OTHER_URLCONF_DOES_NOT_LOAD: Final = "split_deploy.E016"
LOGIN_URL_LEADS_NOWHERE: Final = "split_deploy.W017"

MIDDLEWARE_ADAPTED: Final = "split_deploy.W021"
MIDDLEWARE_CANNOT_RUN: Final = "split_deploy.E022"
MIDDLEWARE_NOT_NATIVE: Final = "split_deploy.W023"
MIDDLEWARE_IN_THREADS: Final = "split_deploy.W024"

SYNC_RECEIVER: Final = "split_deploy.W031"

ATOMIC_REQUESTS: Final = "split_deploy.E041"
# E042 was about persistent connections, which the async role had no use for before it had a pool.
SHARED_CONNECTION: Final = "split_deploy.W044"

SETTING_DIFFERS: Final = "split_deploy.E051"
SIBLING_DOES_NOT_LOAD: Final = "split_deploy.E052"
SIBLING_HAS_WRONG_ROLE: Final = "split_deploy.E053"
SESSIONS_IN_UNSHARED_CACHE: Final = "split_deploy.E054"
CACHE_NOT_SHARED: Final = "split_deploy.W055"
URLCONF_KEY_IS_WRONG: Final = "split_deploy.E056"
DATABASE_ELSEWHERE: Final = "split_deploy.W057"

SUSPECTED_IN_SOURCE: Final = "split_deploy.W061"

CHECK_DID_NOT_RUN: Final = "split_deploy.W091"

"""What a project's views, middleware and receivers are, sync or async, and what they do.

https://docs.djangoproject.com/en/stable/topics/async/ tells what Django makes of each.
"""

from split_deploy.inspection.middleware import MiddlewareReport, inspect_middleware
from split_deploy.inspection.modes import (
    CallbackReport,
    Certainty,
    Finding,
    Location,
    Mode,
    Problem,
    ViewReport,
)
from split_deploy.inspection.receivers import ReceiverReport, inspect_receivers
from split_deploy.inspection.source import inspect_source, project_packages
from split_deploy.inspection.urlconf import URLConfError, inspect_urlconf, iter_urlconf
from split_deploy.inspection.views import inspect_operations, inspect_view

__all__ = [
    "CallbackReport",
    "Certainty",
    "Finding",
    "Location",
    "MiddlewareReport",
    "Mode",
    "Problem",
    "ReceiverReport",
    "URLConfError",
    "ViewReport",
    "inspect_middleware",
    "inspect_operations",
    "inspect_receivers",
    "inspect_source",
    "inspect_urlconf",
    "inspect_view",
    "iter_urlconf",
    "project_packages",
]

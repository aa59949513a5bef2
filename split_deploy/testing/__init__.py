"""What the pytest plugin's fixtures are made of; for another test runner, use it directly."""

from split_deploy.testing.clients import AsyncRoleClient, SyncRoleClient
from split_deploy.testing.counting import counting
from split_deploy.testing.role_settings import in_force

__all__ = ["AsyncRoleClient", "SyncRoleClient", "counting", "in_force"]

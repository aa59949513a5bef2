import pytest
from django.contrib.auth.models import User

from app.models import WatchedURL


@pytest.fixture
def alice(db) -> User:
    return User.objects.create_user("alice", password="correct horse")


@pytest.fixture
def bob(db) -> User:
    return User.objects.create_user("bob", password="battery staple")


@pytest.fixture
def staff(db) -> User:
    return User.objects.create_superuser("staff", password="hunter2")


@pytest.fixture
def watched(alice) -> WatchedURL:
    return WatchedURL.objects.create(url="https://www.example.com/", owner=alice)

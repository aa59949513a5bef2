from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from split_deploy.topology import TOPOLOGIES
from tests.e2e.stack import ROOT, Stack


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(ROOT / "tests" / "e2e"):
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The project as ``make run`` starts it, with the superuser admin, password admin."""
    with Stack(tmp_path_factory.mktemp("stack")) as running:
        create_admin(running)
        yield running


@pytest.fixture(scope="session", params=[*TOPOLOGIES, "granian"])
def any_stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """``stack`` in each topology, one after the other, and with Granian as the sync server."""
    shape: str = request.param
    if shape == "split":
        yield request.getfixturevalue("stack")
        return
    # A worker for each core of a small machine, and no restart because somebody edits a file.
    options = {"WEB_CONCURRENCY": "2", "RELOAD": "0"}
    options |= {"SYNC_SERVER": shape} if shape == "granian" else {"TOPOLOGY": shape}
    with Stack(tmp_path_factory.mktemp(shape), **options) as running:
        create_admin(running)
        yield running


@pytest.fixture
def start_stack(tmp_path: Path) -> Iterator[Callable[..., Stack]]:
    """Start a private stack: ``start_stack(WATCH_ALLOW_PRIVATE_TARGETS="1")``."""
    with ExitStack() as stacks:

        def start(**env: str) -> Stack:
            running = stacks.enter_context(Stack(tmp_path, **env))
            create_admin(running)
            return running

        yield start


def create_admin(stack: Stack) -> None:
    stack.manage(
        *("createsuperuser", "--noinput", "--username=admin", "--email=admin@example.com"),
        DJANGO_SUPERUSER_PASSWORD="admin",
    )

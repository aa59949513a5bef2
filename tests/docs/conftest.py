from tests.e2e.conftest import stack, start_stack

__all__ = ["stack", "start_stack"]

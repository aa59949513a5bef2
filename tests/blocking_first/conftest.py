from tests.pool.conftest import pool_of, until

__all__ = ["pool_of", "until"]

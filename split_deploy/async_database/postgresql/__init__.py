"""A database engine: Django's own for PostgreSQL, and beside it connections of the event loop."""

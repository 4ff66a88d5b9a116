"""Alembic's migrations of the store's tables. A new one: add a file to `versions`, named by its number and its purpose."""

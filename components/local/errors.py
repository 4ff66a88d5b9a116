"""Errors of local services."""


class LocalServiceError(Exception):
    """A local server did not start."""

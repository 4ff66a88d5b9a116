"""What goes wrong on this machine."""


class LocalServiceError(Exception):
    """A server of this machine did not come up."""

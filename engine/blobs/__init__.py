"""Blobs that users name: their address, the identity that reads them, and the wait for a new role."""

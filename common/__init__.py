"""Code shared by the client, the resources and the engine."""

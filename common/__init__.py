"""What the client, the resources and the engine share."""

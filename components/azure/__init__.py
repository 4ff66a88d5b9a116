"""The Azure side: the engine as a container app, its database and storage, and the roles between them."""

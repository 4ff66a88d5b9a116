"""The routes, one module per kind of resource in the contract."""

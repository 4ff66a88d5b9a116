"""The routes, one module for each kind of thing in the contract."""

"""The data that client and engine exchange, as pure data. It imports nothing else of this package."""

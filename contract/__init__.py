"""What goes over the wire between client and engine, as pure data. It imports nothing else of this package."""

"""The local platform: the engine and Azurite as processes on this machine."""

"""The local platform: the engine and Azurite as processes of this machine."""

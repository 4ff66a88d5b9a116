from tests.components.azure.played_engine import engine

__all__ = ["engine"]

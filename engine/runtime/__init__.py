"""The basics of every process of the engine: logs, a socket, secret files, time limits."""

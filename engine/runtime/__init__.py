"""What a process of the engine needs before it does anything: logs, a socket, secret files, time limits."""

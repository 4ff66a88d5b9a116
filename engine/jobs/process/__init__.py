"""The worker as a process: its children, its liveness, and the rescue of a dead worker's jobs."""

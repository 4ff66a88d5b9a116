"""The worker as a process: its children, its sign of life, and the rescue of what a dead worker left."""

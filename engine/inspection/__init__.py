"""What the pictures of a dataset say about it: copies, near-duplicates, pictures that it shares with a dataset that judges its
models, sizes, and how its tags are balanced. Pure functions; `engine.jobs.kinds.inspection` runs them.
"""

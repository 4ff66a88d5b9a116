"""A page about an evaluation: its metrics, its curves, and the pictures that the model got wrong."""

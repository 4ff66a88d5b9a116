"""Product recognition and planograms."""

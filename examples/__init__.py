"""Datasets to try, made from installed packages. No image is kept in the repository."""

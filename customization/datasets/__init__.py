"""Datasets on disk: their content, its digest, their manifest, and their upload."""

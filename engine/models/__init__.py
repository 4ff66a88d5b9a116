"""Trained models: loaded, cached, imported and built in."""

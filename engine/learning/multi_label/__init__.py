"""The multi-label classifier: independent heads on the classifier's features, their calibration, thresholds and metrics."""

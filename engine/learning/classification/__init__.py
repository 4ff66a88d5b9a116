"""The classifier: features, heads, their selection and calibration, the ONNX file and metrics."""

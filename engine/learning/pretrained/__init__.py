"""Networks that others trained, converted to ONNX and arrays."""

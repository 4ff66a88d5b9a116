"""Networks pretrained by others, converted to ONNX and arrays."""

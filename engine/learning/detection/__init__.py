"""The detector: its network, loss, training, ONNX file and metrics."""

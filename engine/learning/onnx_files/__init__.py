"""ONNX files of trained models: written, checked before they are opened, and opened."""

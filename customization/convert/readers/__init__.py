"""The readers: one module per format of labels, from a file or folder to `LabelledImages`."""

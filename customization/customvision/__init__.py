"""Moving a project of Azure's Custom Vision: its images, labels and metrics, and a comparison with a model of this service.

`client` reads the training API, `loading` loads the images, `saved_files` reads answers of that API that were kept as files.
`labels` turns either into the labelled images that `convert` splits and writes. `baseline` keeps the metrics of the iterations,
and `comparison` compares a model with one of them.
"""

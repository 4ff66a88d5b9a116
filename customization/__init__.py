"""Datasets, models and evaluations: as a REST client, as COCO files on disk, and as Pulumi resources.

What a dataset *is* lives in plain modules that know nothing of Pulumi (`coco`, `content`, `client`); `resources` is a thin
adapter over them. How a model is trained lives in `engine`, behind the REST contract in `contract`.
"""

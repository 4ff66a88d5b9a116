"""The self-hosted service behind the REST contract: its API, its storage and its learning.

It does not import Pulumi. The wire types are those of `vision_customization.contract`. This package does not know who
declares datasets and models.
"""

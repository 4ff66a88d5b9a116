"""The self-hosted service behind the REST contract: what it answers, what it keeps, and how it learns.

Imports no Pulumi. The wire types are those of `vision_customization.contract`. This package does not know who
declares datasets and models.
"""

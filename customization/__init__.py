"""Datasets, models and evaluations: as a REST client, as COCO files on disk, and as Pulumi resources.

What a dataset *is* lives in plain modules that know nothing of Pulumi (`coco`, `content`, `client`); `resources` is a thin
adapter over them. How a model is trained lives in `engine`, behind the REST contract in `contract`.
"""

import sys
from importlib import import_module

if __name__ == "customization":
    # The state of a stack that was last updated before these modules moved names its providers by the former paths. A checkout
    # finds them from its top-level folder: the same classes, not a second copy of them.
    for module in ("", ".dataset", ".evaluation", ".model", ".promoted_model", ".published_model"):
        name = f"customization.resources{module}"
        sys.modules[name] = import_module(f"vision_customization.{name}")

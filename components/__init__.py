"""Infrastructure as Pulumi components: the service and the storage that datasets and models need.

Nothing here depends on how a model is trained, or what a dataset contains.
"""

import sys
from importlib import import_module

from vision_customization.components.local.service import LocalService
from vision_customization.components.local.workspace import LocalArgs, LocalWorkspace
from vision_customization.customization.resources import Workspace

__all__ = ["LocalArgs", "LocalService", "LocalWorkspace", "Workspace"]

if __name__ == "components":
    # The state of a stack that was last updated before these modules moved has the providers' former paths. In a checkout, they
    # resolve from the top-level folder, to the same classes and not to a second copy.
    for former, present in {
        "generated_key": "generated_key",
        "local_container": "local.container",
        "local_service": "local.service",
        "blob_access": "azure.role_ready",
    }.items():
        sys.modules[f"components.{former}"] = import_module(f"vision_customization.components.{present}")

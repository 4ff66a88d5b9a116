"""What runs somewhere, as Pulumi components: the service and the storage that datasets and models need.

Nothing here knows how a model is trained, or what a dataset holds.
"""

from vision_customization.components.local.service import LocalService
from vision_customization.components.local.workspace import LocalWorkspace
from vision_customization.components.workspace import Workspace

__all__ = ["LocalService", "LocalWorkspace", "Workspace"]

"""What runs somewhere, as Pulumi components: the service and the storage that datasets and models need.

Nothing here knows how a model is trained, or what a dataset holds.
"""

from components.local import LocalWorkspace
from components.local_service import LocalService
from components.workspace import Workspace

__all__ = ["LocalService", "LocalWorkspace", "Workspace"]

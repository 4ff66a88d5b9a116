"""The components as a plugin of Pulumi, for programs in other languages; see docs/stacks.md.

It has a folder of its own: Python puts that first on its path, where `components` would hide the package `azure`.
"""

from pulumi.provider.experimental import component_provider_host

from vision_customization.components.azure.workspace import AzureWorkspace
from vision_customization.components.local.workspace import LocalWorkspace

if __name__ == "__main__":
    component_provider_host(name="vision-customization", components=[LocalWorkspace, AzureWorkspace])

"""The public API: the REST client, its errors, the Pulumi resources and the components.

Each name is imported when it is first used: a script that only needs the client loads neither Pulumi nor the engine.
"""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from vision_customization import customization

if TYPE_CHECKING:
    from vision_customization.components.azure.args import AzureArgs
    from vision_customization.components.azure.workspace import AzureWorkspace
    from vision_customization.components.local.workspace import LocalArgs, LocalWorkspace
    from vision_customization.customization import *  # noqa: F403 - what it offers, this package offers

__all__ = ["AzureArgs", "AzureWorkspace", "LocalArgs", "LocalWorkspace"]
__all__ += customization.__all__

_HOME = {
    "AzureArgs": "vision_customization.components.azure.args",
    "AzureWorkspace": "vision_customization.components.azure.workspace",
    "LocalArgs": "vision_customization.components.local.workspace",
    "LocalWorkspace": "vision_customization.components.local.workspace",
    **dict.fromkeys(customization.__all__, "vision_customization.customization"),
}


def _home(name: str) -> ModuleType:
    if not name.startswith("Azure"):
        return import_module(_HOME[name])
    from vision_customization.common.extras import extra_needed

    with extra_needed("azure"):
        return import_module(_HOME[name])


if not TYPE_CHECKING:  # to a type checker the names above are all there is

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(_home(name), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

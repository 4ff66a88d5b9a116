"""Opens the engine's objects, as its settings say."""

from vision_customization.engine.errors import SettingsError
from vision_customization.engine.objects.files import FileObjects
from vision_customization.engine.objects.store import (
    ObjectStore,
)
from vision_customization.engine.settings import Settings


def open_objects(settings: Settings) -> ObjectStore:
    """The engine's objects: blobs of the container `objects_url`, else files in the folder `objects` of its data folder.

    Raises:
        SettingsError: `objects_url` is set, but the engine has no identity to access it with.
    """
    if settings.objects_url is None:
        return FileObjects(settings.data_dir / "objects")
    from vision_customization.common.blob_container import open_container
    from vision_customization.engine.blobs.identity import ManagedIdentity, named
    from vision_customization.engine.objects.blobs import BlobObjects

    identity = ManagedIdentity()
    if not identity.exists:
        raise SettingsError(
            "objects_url (VISION_ENGINE_OBJECTS_URL): the engine has no managed identity to access "
            f"{settings.objects_url}. Assign one to the host that runs the engine, or leave out the setting."
        )
    container = open_container(settings.objects_url, credential=identity.credential)
    return BlobObjects(container, settings.data_dir / "cache" / "objects", named(identity))

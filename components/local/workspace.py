"""LocalWorkspace: blob storage (Azurite) and the engine as processes of this machine."""

from pathlib import PurePath
from urllib.parse import urlsplit

import pulumi

from vision_customization.components.generated_key import GeneratedKey
from vision_customization.components.local.container import LocalContainer
from vision_customization.components.local.service import LocalService
from vision_customization.customization.resources import Service, TrainingContainer

ACCOUNT = "local"
CONTAINER = "training"


class LocalWorkspace(pulumi.ComponentResource):
    """Everything that datasets and models need, on this machine: started by `pulumi up`, stopped by `pulumi destroy`.

    Keys are generated; ports are free ones unless given. All data lies in `data_dir`, and stays there after a `destroy`.
    """

    service: Service
    container: TrainingContainer

    def __init__(
        self,
        name: str,
        *,
        data_dir: str,
        engine_port: int | None = None,
        storage_port: int | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("vision-customization:index:LocalWorkspace", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        account_key = GeneratedKey(f"{name}-storage-key", length_bytes=64, opts=child)
        storage = LocalService(
            f"{name}-storage",
            command=[
                "azurite-blob",
                *("--blobHost", "127.0.0.1", "--blobPort", "{port}", "--location", "{data_dir}"),
                *("--silent", "--skipApiVersionCheck", "--disableTelemetry"),
            ],
            environment={"AZURITE_ACCOUNTS": pulumi.Output.concat(ACCOUNT, ":", account_key.value)},
            data_dir=str(PurePath(data_dir, "storage")),
            json_files=["__azurite_db_blob__.json", "__azurite_db_blob_extent__.json"],
            port=storage_port,
            opts=child,
        )
        container = LocalContainer(
            f"{name}-container",
            blob_endpoint=storage.endpoint,
            account=ACCOUNT,
            account_key=account_key.value,
            container=CONTAINER,
            opts=child,
        )
        engine_key = GeneratedKey(f"{name}-engine-key", opts=child)
        engine = LocalService(
            f"{name}-engine",
            command=["vision-engine", "serve", "--host", "127.0.0.1", "--port", "{port}", "--data-dir", "{data_dir}"],
            environment={
                "VISION_ENGINE_KEYS": engine_key.value,
                "VISION_ENGINE_ALLOWED_HOSTS": storage.endpoint.apply(lambda endpoint: urlsplit(endpoint).netloc),
            },
            data_dir=str(PurePath(data_dir, "engine")),
            health_path="/healthz",
            port=engine_port,
            opts=child,
        )
        self.service = Service(engine.endpoint, engine_key.value)
        self.container = TrainingContainer(container.url, account_key.value, container.sas_token)
        self.register_outputs({"endpoint": engine.endpoint})

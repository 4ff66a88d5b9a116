"""LocalWorkspace: blob storage (Azurite) and the engine as processes on this machine."""

from dataclasses import dataclass
from pathlib import PurePath
from urllib.parse import urlsplit

import pulumi

from vision_customization.components.generated_key import GeneratedKey
from vision_customization.components.given import args_of
from vision_customization.components.local.container import LocalContainer
from vision_customization.components.local.service import LocalService
from vision_customization.components.novel_samples import novel_sample_settings
from vision_customization.customization.resources import Service, TrainingContainer

ACCOUNT = "local"
CONTAINER = "training"


@dataclass(frozen=True)
class LocalArgs:
    """What a workspace on this machine is like.

    `data_dir` holds all data of storage and engine, relative to the program's folder. The ports are free ones unless given.
    `custom_vision`: whether the engine also answers the prediction calls of Custom Vision's clients.
    `novel_samples`: how many images that a classifier finds novel the engine keeps, and for how many days.
    """

    data_dir: str
    engine_port: int | None = None
    storage_port: int | None = None
    custom_vision: bool = False
    novel_samples: int = 0
    novel_sample_days: int = 30


class LocalWorkspace(pulumi.ComponentResource):
    """Everything that datasets and models need, on this machine: started by `pulumi up`, stopped by `pulumi destroy`.

    Keys are generated. All data lies in `data_dir`, and stays there after a `destroy`.
    """

    endpoint: pulumi.Output[str]
    """Where the engine answers."""
    key: pulumi.Output[str]
    container_url: pulumi.Output[str]

    def __init__(self, name: str, args: LocalArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vision-customization:index:LocalWorkspace", name, None, opts)
        args = args_of(LocalArgs, args)
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
            data_dir=str(PurePath(args.data_dir, "storage")),
            json_files=["__azurite_db_blob__.json", "__azurite_db_blob_extent__.json"],
            port=args.storage_port,
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
                "VISION_ENGINE_STUDIO_CONTAINER": container.adding_url,
                **({"VISION_ENGINE_CUSTOM_VISION": "true"} if args.custom_vision else {}),
                **novel_sample_settings(args.novel_samples, args.novel_sample_days),
            },
            data_dir=str(PurePath(args.data_dir, "engine")),
            health_path="/healthz",
            port=args.engine_port,
            opts=child,
        )
        self.endpoint, self.key, self.container_url = engine.endpoint, engine_key.value, container.url
        # No annotations of the class: Pulumi takes those for outputs, which a program in another language would see.
        self.service: Service = Service(self.endpoint, self.key)
        self.container: TrainingContainer = TrainingContainer(container.url, account_key.value, container.sas_token)
        self.register_outputs({"endpoint": self.endpoint, "key": self.key, "containerUrl": self.container_url})

"""The engine's settings: each is a flag of `vision-engine` and an environment variable `VISION_ENGINE_<NAME>`.

`docs/engine.md` documents every one of them; a test compares the two.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from vision_customization.common.blob_container import ContainerUrl
from vision_customization.common.cache_folder import cache_folder
from vision_customization.common.errors import StorageError
from vision_customization.common.loopback import LOOPBACK_HOSTS
from vision_customization.engine.errors import SettingsError

ENVIRONMENT_PREFIX = "VISION_ENGINE_"

_LISTS = frozenset({"keys", "allowed_hosts", "identity_hosts"})
_POSTGRESQL = re.compile(r"^postgres(ql)?(\+psycopg)?://")
_HOST = re.compile(r"^(\[[0-9a-fA-F:.]+\]|[a-zA-Z0-9._-]+)(:[0-9]{1,5})?$")

_QUEUE = re.compile(r"^https://[a-zA-Z0-9._-]+(:[0-9]{1,5})?(/[a-z0-9]{3,24})?/[a-z0-9](?:-?[a-z0-9]){2,62}/?$")
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_ENDPOINT = re.compile(r"^(https://[a-zA-Z0-9._-]+|http://127\.[0-9.]+|http://localhost)(:[0-9]{1,5})?(/[a-zA-Z0-9._/-]*)?$")

LogLevel = Literal["debug", "info", "warning", "error"]

LOGIN_PARAMETER = "vision_login"
"""Parameter of the database's URL that is the engine's own: with the value `entra`, each new connection logs in with a token
(`engine/store/database_login.py`). It is in the URL so that it also reaches the connections that libraries open by that URL."""


def sqlite_url(file: Path) -> str:
    """The URL of an SQLite file, whose path may have any characters: SQLAlchemy reads `%2F` and `?` in a URL as something
    else."""
    from sqlalchemy import URL  # takes a while, and not every command needs it

    return URL.create("sqlite", database=str(file)).render_as_string()


def usable_cores() -> int:
    """How many cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_data_dir() -> Path:
    """`$XDG_DATA_HOME/vision-engine`, else `~/.local/share/vision-engine`."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "vision-engine"


def default_weights_dir() -> Path:
    """`weights` in the cache folder, which all engines of this user share."""
    return cache_folder() / "weights"


class Settings(BaseModel):
    """The settings of one engine. Its `repr` never shows secrets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on; 0.0.0.0 is every network interface.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 picks a free one and prints it.")
    data_dir: Path = Field(
        default_factory=default_data_dir,
        description="Folder for everything the engine stores: database, keys, features, models.",
    )
    database_url: str = Field(
        "",
        repr=False,
        description="URL of the database: sqlite:///… or postgresql://… [default: engine.sqlite in data_dir]",
    )
    database_login: Literal["password", "entra"] = Field(
        "password",
        description="How the engine logs in to PostgreSQL: with the URL's password, or with a token of its own identity.",
    )
    worker_queue: str | None = Field(
        None,
        description="Queue of Azure Storage (https) that holds a message for each worker needed, for an autoscaler.",
    )
    objects_url: str | None = Field(
        None,
        description="Blob container (https) for features and models; the engine's identity accesses it. [default: data_dir]",
    )
    keys: tuple[SecretStr, ...] = Field(
        (),
        max_length=2,
        description="One or two API keys, comma-separated. [default: generated into the file `keys` of data_dir]",
    )
    token_key: SecretStr | None = Field(
        None,
        description="Fernet key that encrypts the stored SAS tokens. [default: generated into token.key of data_dir]",
    )
    allowed_hosts: tuple[str, ...] = Field(
        (),
        description="Further blob hosts to read, `host` or `host:port`, comma-separated; http and private are allowed.",
    )
    identity_hosts: tuple[str, ...] = Field(
        (),
        description="Further blob hosts to read over https, with tokens of the engine's own identity; comma-separated.",
    )
    vision_endpoint: str | None = Field(
        None, description="Azure AI Vision resource that answers `features` of analyze. [default: they are refused]"
    )
    vision_key: SecretStr | None = Field(
        None, description="Key of that resource. [default: tokens of the engine's own identity]"
    )
    vision_api_version: str = Field(
        "2024-02-01", description="Version in which that resource is asked, whatever version the caller speaks; not a preview."
    )
    custom_vision: bool = Field(
        False, description="Also answer the prediction calls of Custom Vision's clients, under /customvision."
    )
    studio: bool | None = Field(
        None, description="Serve the Studio, the web pages, under /studio. [default: only if `host` is a loopback address]"
    )
    studio_container: SecretStr | None = Field(
        None,
        description="Blob container, with a SAS token or for the engine's identity, for what people label. [default: none do]",
    )
    novel_samples: int = Field(
        0, ge=0, le=10_000, description="How many images that a classifier finds novel are kept, to be labelled; 0 keeps none."
    )
    novel_sample_days: int = Field(30, ge=1, le=3650, description="For how many days such an image is kept.")
    weights_dir: Path = Field(default_factory=default_weights_dir, description="Folder of the pretrained weights.")
    threads: int = Field(default_factory=usable_cores, ge=1, le=256, description="Threads that decode and analyze images.")
    workers: int = Field(1, ge=0, le=64, description="Worker processes that `serve` starts; 0 if `worker` runs elsewhere.")
    health_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="Port on which `worker` answers /livez and /healthz, at `host`; 0 picks a free one. [default: none]",
    )
    cache_models: int = Field(
        8,
        ge=1,
        le=10_000,
        description="Maximum number of models with own networks in memory for analyze; the least recently used leaves first.",
    )
    connections: int = Field(
        2048,
        ge=16,
        le=65536,
        description="Maximum number of connections, lower if few files may be open; a new one replaces the one idle longest.",
    )
    analyze_seconds: float = Field(
        30.0,
        gt=0,
        le=3600,
        description="Maximum compute time for one image, in seconds; a slower model is refused for a minute.",
    )
    role_wait_seconds: float = Field(
        180.0,
        ge=0,
        le=86_400,
        description="How long, in seconds, a job retries a blob that the engine's identity may not read. A new role takes "
        "some minutes to take effect.",
    )
    entra_tenant: str | None = Field(
        None,
        description="ID (GUID) of the Entra tenant whose bearer tokens are accepted, and whose people sign in to the Studio.",
    )
    entra_audience: str | None = Field(None, min_length=1, description="Audience (`aud`) that such a token must have.")
    studio_client_id: str | None = Field(
        None,
        pattern=r"^[a-zA-Z0-9-]+$",
        description="App registration in entra_tenant with which people sign in to the Studio. [default: only keys do]",
    )
    studio_client_secret: SecretStr | None = Field(
        None, description="Client secret of that app. [default: a federated credential for the engine's own identity]"
    )
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s?#]+$",
        description="Address that callers and browsers see behind a proxy: for `nextLink`, and for the Studio's cookie and "
        "sign-in. [default: the request's own]",
    )
    metrics_public: bool = Field(
        False, description="Answer /metrics for everyone; otherwise only for this machine and callers with a key."
    )
    log_level: LogLevel = Field("info", description="Lowest severity that is logged.")

    @field_validator("data_dir", "weights_dir", mode="after")
    @classmethod
    def _folders_are_absolute(cls, folder: Path) -> Path:
        return folder.expanduser().absolute()

    @field_validator("database_url", mode="after")
    @classmethod
    def _postgresql_has_the_driver_there_is(cls, url: str) -> str:
        return _POSTGRESQL.sub("postgresql+psycopg://", url)

    @field_validator("entra_tenant", mode="after")
    @classmethod
    def _tenant_is_an_id(cls, given: str | None) -> str | None:
        # A domain name may move to another tenant, and `common` and `organizations` are all tenants.
        if given is None or _GUID.fullmatch(given):
            return given and given.lower()
        raise ValueError("must be the tenant's id, a GUID: `az account show --query tenantId` prints it")

    @field_validator("keys", "vision_key", mode="after")
    @classmethod
    def _keys_fit_a_header(cls, given: tuple[SecretStr, ...] | SecretStr | None) -> tuple[SecretStr, ...] | SecretStr | None:
        for key in (given,) if isinstance(given, SecretStr) else given or ():
            text = key.get_secret_value()
            if not text.isascii() or not text.isprintable() or " " in text:
                raise ValueError("a key must consist of printable ASCII characters without spaces")
        return given

    @field_validator("objects_url", mode="after")
    @classmethod
    def _objects_lie_in_a_container(cls, url: str | None) -> str | None:
        if url is None:
            return None
        try:
            parsed = ContainerUrl.parse(url)
        except StorageError as error:
            raise ValueError(str(error)) from None
        if not parsed.url.startswith("https://"):
            raise ValueError("must be https, because the engine sends tokens of its identity there")
        return parsed.url

    @field_validator("worker_queue", mode="after")
    @classmethod
    def _worker_queue_is_one(cls, url: str | None) -> str | None:
        if url is not None and not _QUEUE.match(url):
            raise ValueError("must look like https://account.queue.core.windows.net/workers, without a query or user name")
        return url and url.rstrip("/")

    @field_validator("vision_endpoint", mode="after")
    @classmethod
    def _endpoint_takes_a_key(cls, url: str | None) -> str | None:
        if url is None:
            return None
        if not _ENDPOINT.match(url):
            raise ValueError(
                "must look like https://name.cognitiveservices.azure.com, without a query or user name; "
                "http is allowed for this machine only"
            )
        return url.rstrip("/").removesuffix("/computervision")

    @field_validator("vision_api_version", mode="after")
    @classmethod
    def _version_is_general(cls, version: str) -> str:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", version):
            raise ValueError("must be a version such as 2024-02-01 and not a preview: Azure switched those off on 2025-03-31")
        return version

    @field_validator("studio_container", mode="after")
    @classmethod
    def _studio_container_is_one(cls, given: SecretStr | None) -> SecretStr | None:
        if given is None:
            return None
        url, _, token = given.get_secret_value().partition("?")
        if not url.startswith("https://") and urlsplit(url).hostname not in LOOPBACK_HOSTS:
            raise ValueError("must be an https address of a container; http is allowed for this machine only")
        try:
            ContainerUrl.parse(url)
        except StorageError as error:
            raise ValueError(str(error)) from None
        if token and "sig=" not in token:
            raise ValueError("what follows the '?' is not a SAS token: expected a query string such as sv=…&sr=c&sp=rcl&sig=…")
        return SecretStr(f"{url.rstrip('/')}?{token}" if token else url.rstrip("/"))

    @field_validator("allowed_hosts", "identity_hosts", mode="after")
    @classmethod
    def _hosts_are_bare(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for host in hosts:
            if not _HOST.match(host):
                raise ValueError(f"{host!r} is not `host` or `host:port`: leave out the scheme, the path and wildcards")
        return tuple(host.lower() for host in hosts)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.entra_tenant is None and (self.entra_audience or self.studio_client_id):
            raise ValueError("entra_audience and studio_client_id need entra_tenant: set it too, or leave them out")
        if self.entra_tenant is not None and not (self.entra_audience or self.studio_client_id):
            raise ValueError("entra_tenant needs entra_audience or studio_client_id: set one of them too, or leave it out")
        if self.studio_client_secret is not None and self.studio_client_id is None:
            raise ValueError("studio_client_secret needs studio_client_id: set it too, or leave both out")
        if self.vision_key is not None and self.vision_endpoint is None:
            raise ValueError("vision_key needs vision_endpoint: set it too, or leave both out")
        if not self.database_url:
            object.__setattr__(self, "database_url", sqlite_url(self.data_dir / "engine.sqlite"))
        if self.worker_queue is not None and not self.on_postgresql:
            raise ValueError("worker_queue needs PostgreSQL, which many workers share: set database_url too, or leave it out")
        if self.database_login == "entra":
            object.__setattr__(self, "database_url", _logs_in_with_tokens(self.database_url))
        return self

    @property
    def on_postgresql(self) -> bool:
        """Whether the database is PostgreSQL: then several processes, on several machines, may be one engine."""
        return self.database_url.startswith("postgresql")

    @property
    def studio_enabled(self) -> bool:
        """Whether the Studio is served."""
        return self.host in LOOPBACK_HOSTS if self.studio is None else self.studio

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None, /, **overrides: Any) -> Self:  # noqa: ANN401
        """Settings from `VISION_ENGINE_*`; `overrides` (flags) win, and a `None` among them counts as absent.

        Raises:
            SettingsError: names each wrong setting as the variable it is, and never repeats a secret.
        """
        environment = os.environ if environment is None else environment
        values: dict[str, object] = {}
        for name in cls.model_fields:
            text = environment.get(variable_of(name), "").strip()
            if text:
                values[name] = text
        values.update({name: value for name, value in overrides.items() if value is not None})
        for name in _LISTS & values.keys():
            given = values[name]
            if isinstance(given, str):
                values[name] = tuple(part.strip() for part in given.split(",") if part.strip())
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise SettingsError(_explain(error)) from None

    def to_environment(self) -> dict[str, str]:
        """These settings as `VISION_ENGINE_*`, for a child process. Holds secrets: for an environment only, never for a log."""
        environment = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, SecretStr):
                value = value.get_secret_value()
            elif isinstance(value, tuple):
                value = ",".join(part.get_secret_value() if isinstance(part, SecretStr) else str(part) for part in value)
            if value not in (None, ""):
                environment[variable_of(name)] = str(value)
        return environment


def _logs_in_with_tokens(url: str) -> str:
    """The URL of a PostgreSQL database, marked so that connections log in with a token. Raises ValueError, without the URL."""
    if not url.startswith("postgresql"):
        raise ValueError("database_login=entra needs PostgreSQL: set database_url to postgresql://ROLE@HOST/DATABASE")
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.password is not None or "password" in query:
        raise ValueError("database_login=entra takes no password: leave it out of database_url")
    if not parts.username and "user" not in query:
        raise ValueError("database_login=entra needs a role in database_url: postgresql://ROLE@HOST/DATABASE")
    if query.setdefault("sslmode", "verify-full") != "verify-full":
        raise ValueError(
            "database_login=entra needs sslmode=verify-full in database_url, or no sslmode at all: "
            "a token is sent only to a server whose certificate was checked"
        )
    query[LOGIN_PARAMETER] = "entra"
    return urlunsplit(parts._replace(query=urlencode(query, quote_via=quote)))


def variable_of(name: str) -> str:
    """The environment variable of the setting `name`."""
    return ENVIRONMENT_PREFIX + name.upper()


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Variables that look like settings of the engine but are not: probably typing errors."""
    known = {variable_of(name) for name in Settings.model_fields}
    return sorted(name for name in environment if name.startswith(ENVIRONMENT_PREFIX) and name not in known)


def _explain(error: ValidationError) -> str:
    lines = []
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        text = problem["msg"].removeprefix("Value error, ")
        if not problem["loc"]:
            lines.append(text)
        elif problem["type"] == "extra_forbidden":
            lines.append(f"{problem['loc'][0]} is not a setting; choose from {', '.join(sorted(Settings.model_fields))}")
        else:
            name = str(problem["loc"][0])
            lines.append(f"{name} ({variable_of(name)}, --{name.replace('_', '-')}): {text}")
    return "\n".join(lines)

"""The engine's Container Apps, and its job."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from . import vault
from .rule import HIDDEN, UNKNOWN, Resource, Rule, Settings, expect, texts_in
from .signature import signatures_in

CONTAINER_APP = "azure-native:app:ContainerApp"
ENVIRONMENT = "azure-native:app:ManagedEnvironment"
JOB = "azure-native:app:Job"

KEY_NAMES = re.compile(r"STORAGE\w*KEY|ACCOUNT_KEY|CONNECTION_STRING|SAS_TOKEN|^VISION_ENGINE_VISION_KEY$|COGNITIVE\w*KEY")
"""Variables that give an app a key of another service; the engine's own keys are allowed."""

SECRET_NAMES = re.compile(r"(KEYS?|PASSWORD|SECRET|TOKEN|DATABASE_URL)$")
URL_WITHOUT_PASSWORD = re.compile(r"[\w+]+://[^/\s:@]+@[^@\s]+")
CREDENTIALS_IN_URL = re.compile(r"://[^/\s:@]+:[^/\s@]+@")
ACCOUNT_KEY = re.compile(r"AccountKey=|(?<![\w+/])[A-Za-z0-9+/]{86}==")
"""In a connection string, or bare: 64 bytes in base64."""

DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")


def containers(resource: Resource) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The containers of an app, each with its path."""
    for kind in ("containers", "initContainers"):
        for index, container in enumerate(resource.items_at(f"template.{kind}")):
            yield f"template.{kind}[{index}]", container


def variables(resource: Resource) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The environment variables of all containers, each with its path."""
    for path, container in containers(resource):
        env = container.get("env")
        for index, variable in enumerate(env if isinstance(env, list) else []):
            if isinstance(variable, Mapping):
                yield f"{path}.env[{index}]", variable


def has_an_identity(resource: Resource, _settings: Settings) -> Iterator[str]:
    kind = resource.at("identity.type")
    if kind is not UNKNOWN and "Assigned" not in str(kind):
        yield "identity.type is not set; the app needs an identity to read blobs with"


def holds_no_foreign_keys(resource: Resource, _settings: Settings) -> Iterator[str]:
    for path, variable in variables(resource):
        if KEY_NAMES.search(str(variable.get("name"))):
            yield f"{path}: {variable['name']} gives the app a key of another service"
    for path, text in texts_in(resource.properties):
        if ACCOUNT_KEY.search(text):
            yield f"{path} holds an account key"
        if any(signatures_in(text)):
            yield f"{path} holds a SAS"
    for index, registry in enumerate(resource.items_at("configuration.registries")):
        if str(registry.get("server")).endswith(".azurecr.io") and registry.get("passwordSecretRef"):
            yield f"configuration.registries[{index}] uses a password; set `identity` to pull without one"


def refers_to_secrets(resource: Resource, _settings: Settings) -> Iterator[str]:
    for path, variable in variables(resource):
        value = variable.get("value")
        if not value:
            continue
        name = str(variable.get("name"))
        named = SECRET_NAMES.search(name)
        if name.endswith("DATABASE_URL") and (value is UNKNOWN or URL_WITHOUT_PASSWORD.fullmatch(str(value))):
            named = None  # who logs in with a token has no password
        if named or value == HIDDEN or (isinstance(value, str) and CREDENTIALS_IN_URL.search(value)):
            yield f"{path}: {variable.get('name')} is given as a value; it must be a `secretRef`"


def has_tls_at_its_ingress(resource: Resource, _settings: Settings) -> Iterator[str]:
    if resource.at("configuration.ingress.allowInsecure") is True:
        yield "configuration.ingress.allowInsecure is True; it must be False"


def keeps_replicas(resource: Resource, settings: Settings) -> Iterator[str]:
    replicas, least = resource.at("template.scale.minReplicas"), settings.number("replicas")
    if resource.at("configuration.ingress") and replicas is not UNKNOWN and (replicas or 0) < least:
        yield f"template.scale.minReplicas is {replicas or 0:g}; it must be {least:g} or more"


def names_a_version(resource: Resource, _settings: Settings) -> Iterator[str]:
    for path, container in containers(resource):
        image = container.get("image")
        if isinstance(image, str) and not DIGEST.search(image):
            _, colon, tag = image.rsplit("/", 1)[-1].partition(":")
            if not colon or tag == "latest":
                yield f"{path}.image is {image!r}; it must name a version"


def names_a_digest(resource: Resource, _settings: Settings) -> Iterator[str]:
    for path, container in containers(resource):
        image = container.get("image")
        if isinstance(image, str) and not DIGEST.search(image):
            yield f"{path}.image is {image!r}; it must end with @sha256: and the image's digest"


def is_spread_over_zones(resource: Resource, settings: Settings) -> Iterator[str]:
    if settings.flag("required"):
        yield from expect(resource, "zoneRedundant", True)


def encrypts_between_apps(resource: Resource, settings: Settings) -> Iterator[str]:
    if settings.flag("required"):
        yield from expect(resource, "peerTrafficConfiguration.encryption.enabled", True)


REQUIRED = {"required": {"type": "boolean", "default": False}}

RULES = (
    Rule(
        name="environment-zones",
        says="If the stack requires it, the apps' replicas are spread over availability zones.",
        why="All replicas in one zone fail with it. It can be set only when the environment is created.",
        fix="Set the stack's `environment.zoneRedundant` to true (this replaces the environment and its apps).",
        types=(ENVIRONMENT,),
        settings=REQUIRED,
        check=is_spread_over_zones,
    ),
    Rule(
        name="environment-peer-encryption",
        says="If the stack requires it, calls between apps are encrypted.",
        why="Calls inside of the environment would cross Azure's network in the clear.",
        fix="Set the stack's `environment.peerEncryption` to true.",
        types=(ENVIRONMENT,),
        settings=REQUIRED,
        check=encrypts_between_apps,
    ),
    Rule(
        name="app-identity",
        says="An app has an identity.",
        why="An app without one needs keys.",
        fix='Set `identity.type` to "UserAssigned", and name the engine\'s identity.',
        types=(CONTAINER_APP, JOB),
        check=has_an_identity,
    ),
    Rule(
        name="app-no-foreign-keys",
        says="An app gets no keys, SAS or connection strings of storage, Vision or a registry.",
        why="Anyone who can read the app's configuration could copy them; an identity can't be copied.",
        fix="Remove the variable or secret, and assign the app's identity the role that it needs.",
        types=(CONTAINER_APP, JOB, vault.SECRET),
        check=holds_no_foreign_keys,
    ),
    Rule(
        name="app-secrets-by-reference",
        says="Keys, passwords and URLs with a password reach a container as secrets; a database's URL without one need not.",
        why="Anyone who can read the app sees a plain value.",
        fix="Put it into `configuration.secrets`, and refer to it by `secretRef`.",
        types=(CONTAINER_APP, JOB),
        check=refers_to_secrets,
    ),
    Rule(
        name="app-ingress-tls",
        says="An app answers over https only.",
        why="Keys and images would cross the network in the clear.",
        fix="Leave `configuration.ingress.allowInsecure` at false.",
        types=(CONTAINER_APP,),
        check=has_tls_at_its_ingress,
    ),
    Rule(
        name="app-min-replicas",
        says="An app with an ingress always has replicas running.",
        why="Without replicas, the first caller waits for a start; with only one, callers wait while it is updated.",
        fix="Set `template.scale.minReplicas`.",
        types=(CONTAINER_APP,),
        settings={"replicas": {"type": "integer", "minimum": 1, "maximum": 30, "default": 1}},
        check=keeps_replicas,
    ),
    Rule(
        name="app-image-version",
        says="An image is named by its version, not `latest`.",
        why="Otherwise you can't tell which version runs, or go back to the previous one.",
        fix="Use a release tag or a digest.",
        types=(CONTAINER_APP, JOB),
        check=names_a_version,
    ),
    Rule(
        name="app-image-digest",
        says="An image is named by its digest.",
        why="A tag can be moved; a digest guarantees that the tested image runs.",
        fix="End the image's name with the release's `@sha256:…`.",
        types=(CONTAINER_APP, JOB),
        check=names_a_digest,
    ),
)

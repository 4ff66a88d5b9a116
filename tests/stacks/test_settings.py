import json
from typing import Any

import pytest
import yaml

from examples.detection import PARTS, TAGS
from stacks.settings import SettingsError, StackSettings, read_settings
from tests.support.places import CHECKOUT
from vision_customization.contract.gate import METRICS
from vision_customization.contract.training_time import ASSUMED_SPEED, Workload, hours_for

DATASETS = {"train": {"annotationKind": "imageClassification", "annotationFiles": ["train.json"], "source": "images"}}


def settings_of(**config: object) -> StackSettings:
    return read_settings(
        {
            f"vision-customization:{key}": value if isinstance(value, str) else json.dumps(value)
            for key, value in config.items()
        },
        "dev",
    )


def shipped(stack: str) -> StackSettings:
    file = CHECKOUT / "stacks" / f"Pulumi.{stack}.yaml"
    config = yaml.safe_load(file.read_text())["config"]
    return read_settings({key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}, stack)


@pytest.mark.parametrize(
    "stack",
    [
        "local",
        pytest.param(
            "detection",
            marks=pytest.mark.skipif("meanAveragePrecision50" not in METRICS, reason="the gate knows no metrics of boxes yet"),
        ),
    ],
)
def test_the_stacks_of_the_examples_train_measure_and_publish(stack: str) -> None:
    settings = shipped(stack)
    assert settings.platform == "local"
    for model in settings.models.values():
        kinds = {settings.datasets[str(name)].annotation_kind for name in (model.training_dataset, model.evaluation_dataset)}
        assert kinds <= set(model.model_kind.annotation_kinds)
        assert model.require
        assert model.publish
    if stack == "detection":
        [model] = settings.models.values()
        work = Workload(model.model_kind, PARTS["train.json"].images, len(TAGS))
        assert hours_for(work, ASSUMED_SPEED) <= model.time_budget_in_hours


def test_a_stack_needs_nothing() -> None:
    settings = settings_of()
    assert settings.platform == "local"
    assert settings.models == {}


def test_a_promoted_model_needs_no_dataset() -> None:
    model = settings_of(models={"leaves": {"promoteFrom": "dev", "promoteModel": "trees"}}).models["leaves"]
    assert (model.training_dataset, model.promote_from, model.promote_model) == (None, "dev", "trees")


def test_other_projects_keys_are_theirs() -> None:
    assert read_settings({"aws:region": "x"}, "dev").platform == "local"


def test_a_whole_stack() -> None:
    model = {"trainingDataset": "train", "evaluationDataset": "train", "require": {"accuracyTop1": 0.9}, "publish": True}
    settings = settings_of(platform="local", datasets=DATASETS, models={"leaves": model}, local={"enginePort": 4711})
    assert settings.models["leaves"].require == {"accuracyTop1": 0.9}
    assert settings.models["leaves"].time_budget_in_hours == 1
    assert settings.is_trained_on("train")
    assert settings.local.engine_port == 4711


BOXES = {**DATASETS["train"], "annotationKind": "imageObjectDetection"}
BOTH_KINDS = {**DATASETS, "boxes": BOXES}
SEVERAL = {**DATASETS["train"], "annotationKind": "imageMultiLabelClassification"}


@pytest.mark.parametrize("kind", ["Generic-Detector", "Product-Recognizer"])
def test_a_detector_has_datasets_of_boxes(kind: str) -> None:
    model = {"modelKind": kind, "trainingDataset": "boxes", "evaluationDataset": "boxes"}
    assert settings_of(datasets=BOTH_KINDS, models={"m": model}).datasets["boxes"].annotation_kind == "imageObjectDetection"


def test_a_classifier_of_several_tags_has_their_metrics() -> None:
    model = {"trainingDataset": "s", "evaluationDataset": "s", "require": {"meanAveragePrecision": 0.9, "macroF1": 0.8}}
    assert settings_of(datasets={"s": SEVERAL}, models={"m": model}).models["m"].model_kind == "Generic-Classifier"


@pytest.mark.parametrize("metric", [None, "accuracyTop1", "meanAveragePrecision50"])
def test_a_promoted_models_kind_is_known_elsewhere(metric: str | None) -> None:
    gate = {"require": {metric: 0.5}} if metric else {}
    settings_of(datasets=BOTH_KINDS, models={"m": {"promoteFrom": "dev", "evaluationDataset": "boxes", **gate}})


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (
            {"platfrom": "local"},
            "vision-customization:platfrom: unknown key; valid here: platform, local, azure, datasets, models",
        ),
        ({"platform": "gcp"}, "vision-customization:platform: Input should be 'local' or 'azure', not 'gcp'"),
        (
            {"datasets": {"train": {**DATASETS["train"], "sorce": "x"}}},
            "vision-customization:datasets.train.sorce: unknown key; valid here: annotationKind, annotationFiles, source",
        ),
        ({"datasets": {"train": {"source": "x", "annotationFiles": ["a"]}}}, "datasets.train.annotationKind: missing"),
        (
            {"datasets": {"train": {"annotationKind": "imageClassification", "source": "x"}}},
            "set source and annotationFiles, or",
        ),
        ({"datasets": {"train": {**DATASETS["train"], "annotationFileUris": ["x"]}}}, "set source and annotationFiles, or"),
        (
            {"datasets": {"train": {**DATASETS["train"], "content": f"sha256:{'a' * 64}"}}},
            "set source and annotationFiles, or annotationFileUris, or content",
        ),
        (
            {"datasets": {"train": {"annotationKind": "imageClassification", "content": "latest"}}},
            "64 hex digits, not 'latest'",
        ),
        (
            {"datasets": {"train": {**DATASETS["train"], "customProperties": {"managedBy": "me"}}}},
            "datasets.train.customProperties: 'managedBy' is set by the Dataset itself, and names its stack. Choose another",
        ),
        (
            {"datasets": {"train": {**DATASETS["train"], "customProperties": {f"k{key}": "v" for key in range(11)}}}},
            "datasets.train.customProperties: a dataset has at most 10 custom properties, not counting managedBy",
        ),
        ({"datasets": {"-x": DATASETS["train"]}}, "vision-customization:datasets.-x: a name starts with a letter or digit"),
        (
            {"datasets": DATASETS, "models": {"m": {"trainingDataset": "trian"}}},
            "models.m.trainingDataset is 'trian'; the stack's datasets are: train",
        ),
        (
            {"datasets": DATASETS, "models": {"m": {"trainingDataset": "train", "require": {"accuracyTop1": 0.9}}}},
            "models.m: require needs an evaluationDataset",
        ),
        (
            {
                "datasets": DATASETS,
                "models": {"m": {"trainingDataset": "train", "evaluationDataset": "train", "require": {"accuracy": 0.9}}},
            },
            "models.m: require: 'accuracy' is not a metric of a Generic-Classifier; choose from accuracyTop1",
        ),
        (
            {
                "datasets": BOTH_KINDS,
                "models": {
                    "m": {
                        "modelKind": "Generic-Detector",
                        "trainingDataset": "boxes",
                        "evaluationDataset": "boxes",
                        "require": {"accuracyTop1": 0.9},
                    }
                },
            },
            "models.m: require: 'accuracyTop1' is not a metric of a Generic-Detector; choose from meanAveragePrecision30, ",
        ),
        (
            {
                "datasets": DATASETS,
                "models": {
                    "m": {
                        "trainingDataset": "train",
                        "evaluationDataset": "train",
                        "require": {"meanAveragePrecision50": 0.5},
                    }
                },
            },
            "models.m: require: 'meanAveragePrecision50' is not a metric of a Generic-Classifier; choose from accuracyTop1, ",
        ),
        (
            {"datasets": DATASETS, "models": {"m": {"trainingDataset": "train", "timeBudgetInHours": 400}}},
            "timeBudgetInHours must be 1 to 336 hours for a Generic-Classifier, not 400 (modelKind)",
        ),
        (
            {"datasets": DATASETS, "models": {"m": {"trainingDataset": "train", "tiles": 2}}},
            "models.m: tiles: must be 1 for a Generic-Classifier, which analyzes each image as a whole; a Generic-Detector or ",
        ),
        (
            {
                "datasets": BOTH_KINDS,
                "models": {"m": {"modelKind": "Generic-Detector", "trainingDataset": "boxes", "tiles": 5}},
            },
            "models.m.tiles: Input should be less than or equal to 4, not 5",
        ),
        (
            {
                "datasets": DATASETS,
                "models": {"m": {"trainingDataset": "train", "evaluationDataset": "train", "require": {"accuracyTop1": 90}}},
            },
            "accuracyTop1 is required to be 90, but metrics are between 0 and 1",
        ),
        ({"models": {"m": {}}}, "models.m: set either trainingDataset or promoteFrom"),
        (
            {"datasets": DATASETS, "models": {"m": {"trainingDataset": "train", "promoteFrom": "dev"}}},
            "models.m: set either trainingDataset or promoteFrom",
        ),
        (
            {"datasets": DATASETS, "models": {"m": {"trainingDataset": "train", "promoteModel": "n"}}},
            "models.m: promoteModel needs promoteFrom",
        ),
        (
            {"models": {"m": {"promoteFrom": "dev", "timeBudgetInHours": 1, "modelKind": "Generic-Classifier"}}},
            "models.m: modelKind and timeBudgetInHours cannot be set with promoteFrom, since stack 'dev' trains the model",
        ),
        (
            {"models": {"m": {"promoteFrom": "dev", "tiles": 2}}},
            "models.m: tiles cannot be set with promoteFrom, since stack 'dev' trains the model",
        ),
        (
            {"models": {"m": {"promoteFrom": "dev", "evaluationDataset": "test"}}},
            "models.m.evaluationDataset is 'test'; the stack's datasets are: none",
        ),
        (
            {"datasets": BOTH_KINDS, "models": {"m": {"trainingDataset": "boxes"}}},
            "models.m.trainingDataset: dataset 'boxes' is of kind imageObjectDetection, but model 'm', a Generic-Classifier, ",
        ),
        (
            {"datasets": BOTH_KINDS, "models": {"m": {"trainingDataset": "boxes"}}},
            "Use a dataset of that kind, or make the model a Generic-Detector or Product-Recognizer (modelKind)",
        ),
        (
            {"datasets": BOTH_KINDS, "models": {"m": {"trainingDataset": "train", "evaluationDataset": "boxes"}}},
            "models.m.evaluationDataset: dataset 'boxes' is of kind imageObjectDetection, but model 'm', a Generic-Classifier",
        ),
        (
            {"datasets": BOTH_KINDS, "models": {"m": {"modelKind": "Generic-Detector", "trainingDataset": "train"}}},
            "models.m.trainingDataset: dataset 'train' is of kind imageClassification, but model 'm', a Generic-Detector, n",
        ),
        (
            {"datasets": BOTH_KINDS, "models": {"m": {"modelKind": "Product-Recognizer", "trainingDataset": "train"}}},
            "model 'm', a Product-Recognizer, needs imageObjectDetection",
        ),
        (
            {"datasets": {**DATASETS, "s": SEVERAL}, "models": {"m": {"trainingDataset": "s", "evaluationDataset": "train"}}},
            (
                "models.m.evaluationDataset: dataset 'train' is of kind imageClassification, but model 'm' is trained from a "
                "dataset of kind imageMultiLabelClassification. Use a dataset of that kind"
            ),
        ),
        (
            {
                "datasets": {"s": SEVERAL},
                "models": {"m": {"trainingDataset": "s", "evaluationDataset": "s", "require": {"accuracyTop1": 0.9}}},
            },
            "models.m: require: 'accuracyTop1' is not a metric of a Generic-Classifier for imageMultiLabelClassification; ",
        ),
        ({"platform": "azure"}, "platform 'azure' needs the key `azure`"),
        # A setting of former releases, which only the check before an update used.
        (
            {"azure": {"image": "i", "managementEndpoint": "https://management.usgovcloudapi.net"}},
            "azure.managementEndpoint: unknown key; valid here: name, image",
        ),
        (
            {"azure": {"image": "i", "locaton": "eastus"}},
            "azure.locaton: unknown key; valid here: name, image",
        ),
        (
            {"azure": {"image": "i", "network": {"existing": {"appSubnet": "/s"}}}},
            "azure.network.existing.appSubnet: unknown key; valid here: virtualNetwork, appsSubnet",
        ),
        (
            {"azure": {"image": "i", "network": {"routes": "/s"}}},
            "azure.network.routes: unknown key; valid here: existing, routeTable",
        ),
        (
            {"azure": {"image": "i", "environment": {"zones": True}}},
            "azure.environment.zones: unknown key; valid here: zoneRedundant, peerEncryption",
        ),
        (
            {"azure": {"image": "i", "visionLocation": "northeurope"}},
            "azure.visionLocation: Input should be 'eastus', 'westus2'",
        ),
        ({"azure": {"image": "i", "location": "north-europe"}}, "azure.location: 'north-europe' is not a region of Azure. Use"),
        ({"azure": {"image": "i", "database": {"storageGb": 100}}}, "azure.database.storageGb: Azure has no disk of 100 GiB"),
        (
            {"azure": {"image": "i", "engine": {"cpu": 1, "memoryGib": 4}}},
            "azure.engine: Container Apps offer cores in steps of 0.25, with 2 GiB per core: for 1 cores, memoryGib must be 2",
        ),
        (
            {"azure": {"image": "i", "engine": {"minReplicas": 4}}},
            "minReplicas must be at most maxReplicas, and minWorkers",
        ),
        (
            {"azure": {"image": "i", "engine": {"workers": "job", "minWorkers": 1}}},
            "azure.engine: workers: job needs minWorkers: 0",
        ),
        (
            {"azure": {"image": "i", "engine": {"workerProfile": "Consumption-GPU-NC8as-T4", "workerCpu": 4}}},
            "azure.engine: a worker on Consumption-GPU-NC8as-T4 has the whole profile: remove workerCpu",
        ),
        (
            {"azure": {"image": "i", "database": {"highAvailability": "SameZone"}}},
            "highAvailability is not available in tier",
        ),
        (
            {"azure": {"image": "i", "database": {"highAvailability": True, "tier": "GeneralPurpose"}}},
            "azure.database.highAvailability: must be Disabled, SameZone or ZoneRedundant, not true, which was ZoneRedundant",
        ),
        (
            {"azure": {"image": "i", "database": {"highAvailability": "zoneRedundant"}}},
            "azure.database.highAvailability: Input should be 'Disabled', 'SameZone' or 'ZoneRedundant'",
        ),
        ({"azure": {"image": "i", "addressPrefix": "10.0.0.0/8"}}, "azure.addressPrefix"),
        (
            {"azure": {"image": "i", "imageHosts": ["https://images.example.org"]}},
            "azure: imageHosts: 'https://images.example.org' must be a host name like images.example.org",
        ),
        ({"azure": {"image": "i", "protect": True}}, "azure: protect needs alertEmails"),
        ({"azure": {"image": "i", "monthlyBudget": 5}}, "azure: monthlyBudget needs alertEmails"),
        (
            {"azure": {"image": "i", "restoreDays": 7}},
            "azure: restoreDays is 7: must be less than softDeleteDays (7)",
        ),
        ({"datasets": {"train": "my-images"}}, "datasets.train: must be a map of keys and values, not 'my-images'"),
        ({"local": {"enginePort": 99999}}, "local.enginePort: Input should be less than or equal to 65535, not 99999"),
    ],
)
def test_a_fault_is_named_with_file_path_and_what_is_valid(config: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as raised:
        settings_of(**config)
    assert "stacks/Pulumi.dev.yaml: " in str(raised.value)
    assert said in str(raised.value)


ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft."
LOGS = {"logWorkspace": {"existing": f"{ID}OperationalInsights/workspaces/logs"}}
REGISTRY = {"containerRegistry": {"existing": f"{ID}ContainerRegistry/registries/contoso"}}
SUBNET = f"{ID}Network/virtualNetworks/hub/subnets/"
SUBNETS = {"network": {"existing": {"appsSubnet": f"{SUBNET}apps", "databaseSubnet": f"{SUBNET}database"}}}


@pytest.mark.parametrize(
    ("azure", "said"),
    [
        ({"purgeProtection": True}, "purgeProtection needs keyVault: true"),
        ({"vision": "none", "visionLocation": "eastus"}, "visionLocation needs vision: account. Remove it"),
        ({"vision": "none", "imageHosts": ["*"]}, "imageHosts needs vision: account. Remove it"),
        ({"vision": "none", "restore": True}, "restore needs vision: account. Remove it"),
        ({"studioLabelling": True}, "studioLabelling needs studio: true"),
        ({"studioClientId": "0" * 36}, "studioClientId needs studio: true"),
        ({"engine": {"workerTimeoutHours": 2}}, "engine.workerTimeoutHours needs workers: job"),
        ({"logRetentionDays": 90} | LOGS, "logRetentionDays needs a workspace of the stack's own"),
        (REGISTRY, "containerRegistry needs registry, its login server"),
        ({"addressPrefix": "10.9.0.0/23"} | SUBNETS, "addressPrefix needs a subnet that the stack makes"),
        (
            {"network": {"existing": {"appsSubnet": f"{SUBNET}apps"}}},
            "network.existing names a network, in which the stack makes",
        ),
        ({"privateNetwork": True} | SUBNETS, "network.existing names a network, in which the stack makes"),
        (
            {"resourceGroup": {"existing": "theirs"}, "names": {"resourceGroup": "ours"}},
            "names.resourceGroup needs such a resource of the stack's own, and with these settings there is none. Remove it",
        ),
        ({"names": {"logWorkspace": "ours"}} | LOGS, "names.logWorkspace needs such a resource"),
        ({"names": {"keyVault": "ours"}}, "names.keyVault needs such a resource"),
        ({"names": {"subdomain": "ours"}, "vision": "none"}, "names.subdomain needs such a resource"),
        ({"names": {"workerJob": "ours"}}, "names.workerJob needs such a resource"),
        ({"names": {"worker": "ours"}, "engine": {"workers": "job"}}, "names.worker needs such a resource"),
        (
            {"names": {"databaseAdministrator": "ours"}, "database": {"login": "password"}},
            "names.databaseAdministrator needs such a resource",
        ),
        ({"novelSampleDays": 9}, "novelSampleDays needs novelSamples"),
        ({"deployerType": "User", "assignDeployer": False}, "deployerType needs assignDeployer: true"),
        ({"network": {"existing": {"linkZones": True}}}, "network.existing.linkZones needs a zone to link"),
        ({"addressPrefix": "10.9.0.0/23", "database": {"access": "azureServices"}}, "addressPrefix needs a subnet"),
        ({"names": {"network": "ours"}, "database": {"access": "azureServices"}}, "names.network needs such a resource"),
        ({"registry": "contoso.azurecr.io"}, "registry is contoso.azurecr.io, and image does not begin with it"),
        (
            {"registry": "https://contoso.azurecr.io", "image": "contoso.azurecr.io/engine:1"},
            "registry is https://contoso.azurecr.io, and image does not begin with it. Write the registry's host name alone",
        ),
        (
            {"registry": "a.io", "image": "a.io/engine:1", "containerRegistry": {"existing": "/foo/a"}},
            "containerRegistry.existing",
        ),
        (
            {"registry": "fabrikam.azurecr.io", "image": "fabrikam.azurecr.io/engine:1"} | REGISTRY,
            "containerRegistry is the registry contoso, and registry is fabrikam.azurecr.io",
        ),
        ({"alertEmails": ["nobody"]}, "alertEmails[0] is not an address like operations@example.org"),
        ({"alertEmails": ["a@b.org", "A@b.org"]}, "alertEmails[1] is there twice"),
    ],
)
def test_a_setting_that_would_do_nothing_or_be_refused_later_is_an_error(azure: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as raised:
        settings_of(platform="azure", azure={"image": "i"} | azure)
    assert f"azure: {said}" in str(raised.value)


def test_zones_that_a_stack_has_no_names_for_may_be_given() -> None:
    """A platform team gives all of its zones to all of its stacks."""
    names = {"queue": "queue.core.windows.net", "vision": "cognitiveservices.azure.com", "vault": "vaultcore.azure.net"}
    zones = {f"{what}Zone": f"{ID}Network/privateDnsZones/privatelink.{name}" for what, name in names.items()}
    engine = {"minWorkers": 1, "maxWorkers": 1}
    private = {"privateNetwork": True, "network": {"existing": zones}, "vision": "none", "engine": engine}
    assert settings_of(platform="azure", azure={"image": "i"} | private).azure is not None


@pytest.mark.parametrize("server", ["contoso.azurecr.io", "contoso-a1b2c3.azurecr.io"])
def test_a_registry_is_known_by_its_login_server(server: str) -> None:
    settings = settings_of(platform="azure", azure={"image": f"{server}/engine:1", "registry": server} | REGISTRY)
    assert settings.azure is not None
    assert settings.azure.registry == server


def test_a_region_has_two_names() -> None:
    settings = settings_of(platform="azure", azure={"image": "i", "location": "Sweden Central"})
    assert settings.azure is not None
    assert (settings.azure.location, settings.azure.vision_location) == ("swedencentral", None)


def test_a_network_of_somebody_else_has_a_name_for_what_the_stack_makes_in_it() -> None:
    """Security groups, private endpoints and the zone of the database begin with it."""
    settings = settings_of(azure={"image": "i", "names": {"network": "ours"}} | SUBNETS)
    assert settings.azure is not None
    assert settings.azure.names.network == "ours"

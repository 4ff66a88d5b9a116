"""The Container Apps environment: its network, its logs, and the hardware that apps can ask for."""

import pulumi
from pulumi_azure_native import app

from vision_customization.components.azure.args import EnvironmentOptions
from vision_customization.components.azure.observability import Observability
from vision_customization.components.azure.place import Place
from vision_customization.components.azure.worker_profiles import CONSUMPTION, profile_name


def apps_environment(
    name: str,
    place: Place,
    *,
    environment_name: str,
    observability: Observability,
    subnet_id: pulumi.Input[str] | None,
    internal: bool,
    options: EnvironmentOptions,
    worker_profile: str,
    opts: pulumi.ResourceOptions,
) -> app.ManagedEnvironment:
    """
    Args:
        subnet_id: where the apps are; None for no network.
        internal: whether they have no address outside of it.
    """
    return app.ManagedEnvironment(
        name,
        resource_group_name=place.resource_group_name,
        environment_name=environment_name,
        location=place.location,
        app_logs_configuration=app.AppLogsConfigurationArgs(
            destination="log-analytics",
            log_analytics_configuration=app.LogAnalyticsConfigurationArgs(
                customer_id=observability.customer_id, shared_key=observability.shared_key
            ),
        ),
        vnet_configuration=app.VnetConfigurationArgs(infrastructure_subnet_id=subnet_id, internal=internal)
        if subnet_id is not None
        else None,
        zone_redundant=options.zone_redundant or None,
        peer_traffic_configuration=app.ManagedEnvironmentPeerTrafficConfigurationArgs(
            encryption=app.ManagedEnvironmentEncryptionArgs(enabled=True)
        )
        if options.peer_encryption
        else None,
        workload_profiles=[
            app.WorkloadProfileArgs(name=profile_name(profile), workload_profile_type=profile)
            for profile in dict.fromkeys((CONSUMPTION, worker_profile))
        ],
        tags=place.tags,
        opts=opts,
    )

"""The Container Apps environment of a workspace, in its network and with its logs."""

import pulumi
from pulumi_azure_native import app

from vision_customization.components.azure.args import AzureArgs
from vision_customization.components.azure.network import PrivateNetwork
from vision_customization.components.azure.observability import Observability
from vision_customization.components.azure.place import Place
from vision_customization.components.azure.worker_profiles import CONSUMPTION, profile_name


def apps_environment(
    name: str,
    environment_name: str,
    place: Place,
    args: AzureArgs,
    observability: Observability,
    network: PrivateNetwork | None,
    opts: pulumi.ResourceOptions,
) -> app.ManagedEnvironment:
    """Declare it as `name`. Without `network`, it has one that Azure makes and nobody sees."""
    options = args.environment
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
        vnet_configuration=app.VnetConfigurationArgs(
            infrastructure_subnet_id=network.apps_subnet_id, internal=args.private_network
        )
        if network
        else None,
        zone_redundant=options.zone_redundant or None,
        peer_traffic_configuration=app.ManagedEnvironmentPeerTrafficConfigurationArgs(
            encryption=app.ManagedEnvironmentEncryptionArgs(enabled=True)
        )
        if options.peer_encryption
        else None,
        workload_profiles=[
            app.WorkloadProfileArgs(name=profile_name(profile), workload_profile_type=profile)
            for profile in dict.fromkeys((CONSUMPTION, args.engine.worker_profile))
        ],
        tags=place.tags,
        opts=opts,
    )

"""What tells the engine to serve the Studio, its web pages."""

import pulumi

from vision_customization.components.azure.args import AzureArgs


def studio_settings(args: AzureArgs, tenant_id: pulumi.Input[str]) -> dict[str, pulumi.Input[str]]:
    """The engine's environment variables for it; none if the stack does not serve it."""
    if not args.studio:
        return {}
    if args.studio_client_id is None:
        return {"VISION_ENGINE_STUDIO": "true"}
    return {
        "VISION_ENGINE_STUDIO": "true",
        "VISION_ENGINE_ENTRA_TENANT": tenant_id,
        "VISION_ENGINE_STUDIO_CLIENT_ID": args.studio_client_id,
    }

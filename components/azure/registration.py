"""Asking Azure before an update whether the subscription is registered for the resource providers that the program needs.

A new subscription is registered for hardly any. azure-native registers some by itself while it creates, and not all
(https://github.com/pulumi/pulumi-azure-native/issues/3479). Until then Azure does not answer the other checks either.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import FORBIDDEN, OK

from vision_customization.components.azure.resource_manager import Answer, NoAnswer, NotRegistered, get

API_VERSION = "2021-04-01"
ALWAYS = frozenset({"Microsoft.Authorization", "Microsoft.Consumption", "Microsoft.Resources"})
"""Every subscription is registered for these (https://learn.microsoft.com/azure/azure-resource-manager/management/
azure-services-resource-providers)."""
FOR_APPS_IN_NETWORKS = "Microsoft.ContainerService"
"""Azure asks for it, beside Microsoft.App, where apps are in a subnet (https://github.com/Azure/bicep/issues/14935)."""


def namespaces_of(actions: Iterable[str], *, in_network: bool) -> list[str]:
    """The resource providers of what a program does: `Microsoft.App` of `Microsoft.App/jobs/write`.

    Args:
        in_network: whether its apps are in a subnet.
    """
    found = {action.partition("/")[0] for action in actions} - ALWAYS
    return sorted(found | ({FOR_APPS_IN_NETWORKS} if in_network else set()))


def check_registered(token: str, subscription_id: str, namespaces: Sequence[str]) -> list[str]:
    """Warnings about what Azure did not tell.

    Args:
        token: for Azure Resource Manager.
        namespaces: such as `Microsoft.App`.

    Raises:
        NotRegistered: for at least one the subscription is not registered; names all of them.
        NoAnswer: Azure can't be reached, does not say, or still registers one.
    """

    def asked(namespace: str) -> Answer:
        return get(token, f"/subscriptions/{subscription_id}/providers/{namespace}", API_VERSION)

    with ThreadPoolExecutor() as threads:
        answers = dict(zip(namespaces, threads.map(asked, namespaces), strict=True))
    for namespace, answer in answers.items():
        if answer.status not in (OK, FORBIDDEN):
            raise NoAnswer(
                f"Azure did not say whether the subscription is registered for {namespace} ({answer.fault}). "
                "Run the command again"
            )
    states = {name: answer.document.get("registrationState") for name, answer in answers.items() if answer.status == OK}
    if missing := [name for name, state in states.items() if state not in ("Registered", "Registering")]:
        raise NotRegistered.for_namespaces(missing, subscription_id)
    if running := [name for name, state in states.items() if state == "Registering"]:
        raise NoAnswer(
            f"Azure still registers the subscription for {', '.join(running)}. Run the command again in some minutes"
        )
    unknown = [namespace for namespace, answer in answers.items() if answer.status == FORBIDDEN]
    if not unknown:
        return []
    why = answers[unknown[0]].fault
    return [f"not checked before the update: whether the subscription is registered for {', '.join(unknown)} ({why})"]

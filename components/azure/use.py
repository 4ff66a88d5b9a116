"""What a stack does with an existing resource, for which the deployer needs a right."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Use:
    """What a program does with a resource that is there already: its ARM id, the actions, and a built-in role that has them.

    `subnet`: what is to lie in it, if it is a subnet: `apps`, `database` or `endpoints`.
    `same_subscription`: it must be in the stack's subscription, since the stack looks it up there, or makes something in it.
    """

    resource_id: str
    actions: Sequence[str]
    role: str
    subnet: str = ""
    same_subscription: bool = False

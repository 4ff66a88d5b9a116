"""What a stack does with an existing resource, for which the deployer needs a right."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Use:
    """What a program does with a resource that is there already: its ARM id, the actions, and a built-in role that has them.

    `subnet`: what is to lie in it, if it is a subnet: `apps`, `database` or `endpoints`.
    """

    resource_id: str
    actions: Sequence[str]
    role: str
    subnet: str = ""

"""Signing in to the Studio, the engine's web pages. All of it is an extension."""

from enum import StrEnum

from vision_customization.contract.wire import Timestamp, Wire


class Role(StrEnum):
    """What a person may do in the Studio; each role may do all that the ones before it may.

    A reader looks at everything and tries models out. A labeler also changes labels. An owner also trains, publishes and
    deletes.
    """

    READER = "reader"
    LABELER = "labeler"
    OWNER = "owner"

    def includes(self, other: "Role") -> bool:
        """Whether this role may do all that `other` may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


class SignInCodeCreate(Wire):
    """Body of `POST /studio/codes`."""

    role: Role = Role.OWNER


class SignInCode(Wire):
    """A code that signs one browser in, once, until it expires: at the page `/studio/sign-in#code=…`."""

    code: str
    role: Role
    expires_date_time: Timestamp

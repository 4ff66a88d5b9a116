"""Who is signed in to the Studio: sessions, and the one-time codes that begin them.

The database has only SHA-256 digests of session ids and codes, so that reading it lets no one in.
"""

import hashlib
import secrets
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, select
from sqlalchemy.orm import Session

from vision_customization.contract.studio import Role
from vision_customization.engine.store.database import Database
from vision_customization.engine.store.records import SessionRecord
from vision_customization.engine.store.tables import SessionRow, SignInCodeRow

LIFE = timedelta(days=7)
"""Longest life of a session."""
IDLE_HOURS = 24
"""A session that was not used for this long has ended."""
CODE_SECONDS = 60
"""How long a one-time code can be used."""

_SEEN_SECONDS = 60
"""How old the time of a session's last use may be: it is not written at each request."""


class SessionStore:
    """Sessions by their id, a random text of 256 bits that only the browser knows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, person: SessionRecord, life: timedelta = LIFE) -> str:
        """Begin a session like `person`, from now on; returns its id. With a fingerprint, it ends with that key."""
        token = secrets.token_urlsafe(32)
        now = self._database.now()
        with self._database.writing() as session:
            session.execute(delete(SessionRow).where(SessionRow.expires < now))
            session.add(
                SessionRow(
                    token_digest=_digest(token),
                    role=person.role.value,
                    who=person.who,
                    account=person.account,
                    key_fingerprint=person.key_fingerprint,
                    created=now,
                    seen=now,
                    expires=now + life,
                )
            )
        return token

    def find(self, token: str, *, used: bool = True) -> SessionRecord | None:
        """The session of this id; None if it has ended. Unless it is `used`, it ends as if nothing had asked for it."""
        now = self._database.now()
        with self._database.reading() as session:
            row = session.get(SessionRow, _digest(token))
            if row is None or _ended(row, now):
                return None
            record = SessionRecord(Role(row.role), row.who, row.key_fingerprint, row.created, row.account)
            seen = row.seen
        if used and now - seen > timedelta(seconds=_SEEN_SECONDS):
            with self._database.writing() as session:
                if (row := session.get(SessionRow, _digest(token))) is not None:
                    row.seen = now
        return record

    def end(self, token: str) -> None:
        """End a session; nothing if it has ended already."""
        with self._database.writing() as session:
            session.execute(delete(SessionRow).where(SessionRow.token_digest == _digest(token)))

    def end_all(self, person: SessionRecord) -> int:
        """End all sessions of a person, on every engine of the database; returns how many.

        An account's are all that it began, whatever its name and its role were then. A key does not say who holds it: with it
        end the sessions that began with the same key, as far as their role is not above the person's.
        """
        with self._database.writing() as session:
            if person.account is not None:
                which = SessionRow.account == person.account
            else:
                which = and_(SessionRow.account.is_(None), _of_key(SessionRow, person))
                session.execute(delete(SignInCodeRow).where(_of_key(SignInCodeRow, person)))
            tokens = list(session.scalars(select(SessionRow.token_digest).where(which)))
            session.execute(delete(SessionRow).where(SessionRow.token_digest.in_(tokens)))
        return len(tokens)

    def issue_code(self, role: Role, who: str, key_fingerprint: str | None = None) -> tuple[str, datetime]:
        """A one-time code for a session, and when it expires."""
        code = secrets.token_urlsafe(24)
        now = self._database.now()
        expires = now + timedelta(seconds=CODE_SECONDS)
        with self._database.writing() as session:
            session.execute(delete(SignInCodeRow).where(SignInCodeRow.expires < now))
            session.add(
                SignInCodeRow(
                    code_digest=_digest(code), role=role.value, who=who, key_fingerprint=key_fingerprint, expires=expires
                )
            )
        return code, expires

    def redeem_code(self, code: str) -> SessionRecord | None:
        """What the session of a code has; None if the code is unknown, expired or used. Only one caller gets it."""
        now = self._database.now()
        with self._database.writing() as session:
            row = _locked_code(session, _digest(code))
            if row is None:
                return None
            session.delete(row)
            if row.expires < now:
                return None
            return SessionRecord(Role(row.role), row.who, row.key_fingerprint, now)


def _locked_code(session: Session, digest: str) -> SignInCodeRow | None:
    return session.scalar(select(SignInCodeRow).where(SignInCodeRow.code_digest == digest).with_for_update())


def _of_key(table: type[SessionRow | SignInCodeRow], person: SessionRecord) -> ColumnElement[bool]:
    """The rows that came from the person's key, as far as their role is not above the person's."""
    roles = [role.value for role in Role if person.role.includes(role)]
    key = table.key_fingerprint.is_not_distinct_from(person.key_fingerprint)
    return and_(key, table.who == person.who, table.role.in_(roles))


def _ended(row: SessionRow, now: datetime) -> bool:
    return row.expires < now or now - row.seen > timedelta(hours=IDLE_HOURS)


def _digest(token: str) -> str:
    """A plain digest suffices: the tokens are random, of 192 bits or more."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()

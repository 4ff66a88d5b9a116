"""Encryption of the stored SAS tokens: Fernet (AES-128-CBC with HMAC-SHA-256), with a key from a file or a secret."""

import hashlib
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.dialects import postgresql

from vision_customization.engine.errors import SettingsError
from vision_customization.engine.runtime.secret_file import secret_file
from vision_customization.engine.settings import Settings
from vision_customization.engine.store.database import Database
from vision_customization.engine.store.tables import TokenKeyRow

KEY_FILE = "token.key"


class TokenCipher:
    """Encrypts and decrypts SAS tokens."""

    def __init__(self, key: SecretStr, file: Path | None = None) -> None:
        """`file` is the key's file, if the key is not from the settings. Raises SettingsError if it is not a Fernet key."""
        try:
            self._fernet = Fernet(key.get_secret_value())
        except ValueError:
            expected = "not a Fernet key: expected 32 bytes in URL-safe base64."
            if file is None:
                raise SettingsError(f"token_key is {expected}") from None
            raise SettingsError(
                f"{file} is {expected} Restore it from a backup. If it is lost, delete the file, so that the engine creates a "
                "new key, and set the SAS tokens again by `pulumi up --refresh` (or a PATCH of each dataset)."
            ) from None
        self.fingerprint = hashlib.sha256(b"token key:" + key.get_secret_value().encode()).hexdigest()

    @classmethod
    def open(cls, settings: Settings) -> "TokenCipher":
        """With the key of the settings, or else the one in the data folder, which is created if missing."""
        if settings.token_key is not None:
            return cls(settings.token_key)
        file = settings.data_dir / KEY_FILE
        return cls(SecretStr(secret_file(file, Fernet.generate_key().decode())), file)

    def encrypt(self, token: SecretStr) -> str:
        return self.encrypt_bytes(token.get_secret_value().encode()).decode()

    def decrypt(self, encrypted: str) -> SecretStr:
        """Raises SettingsError if the token was encrypted with another key."""
        return SecretStr(self.decrypt_bytes(encrypted.encode()).decode())

    def encrypt_bytes(self, data: bytes) -> bytes:
        return self._fernet.encrypt(data)

    def decrypt_bytes(self, encrypted: bytes) -> bytes:
        """Raises SettingsError if the data was encrypted with another key."""
        try:
            return self._fernet.decrypt(encrypted)
        except InvalidToken:
            raise SettingsError(
                f"A SAS token in the database was encrypted with another key. Restore {KEY_FILE} (or VISION_ENGINE_TOKEN_KEY), "
                "or update the dataset's authentication."
            ) from None

    def decrypt_recent(self, encrypted: str, seconds: int) -> SecretStr | None:
        """What this cipher encrypted at most so many seconds ago; None otherwise."""
        try:
            return SecretStr(self._fernet.decrypt(encrypted, ttl=seconds).decode())
        except InvalidToken:
            return None


def check_token_key(database: Database, cipher: TokenCipher, settings: Settings) -> None:
    """The first process that opens a PostgreSQL database determines its key. Raises SettingsError in one with another key.

    An SQLite database has one data folder and thus one key. If that key is lost, the tokens must be registered again.
    """
    if not settings.on_postgresql:
        return
    with database.writing() as session:
        first = postgresql.insert(TokenKeyRow).values(id=1, fingerprint=cipher.fingerprint)
        session.execute(first.on_conflict_do_nothing())
        settled = session.scalar(select(TokenKeyRow.fingerprint))
    if settled != cipher.fingerprint:
        own = "VISION_ENGINE_TOKEN_KEY" if settings.token_key else f"{settings.data_dir / KEY_FILE}"
        raise SettingsError(
            f"The SAS tokens in this database are encrypted with another key than the one in {own}. Give all processes of an "
            "engine the same VISION_ENGINE_TOKEN_KEY. If that key is lost, empty the table token_key, restart, and set the "
            "SAS tokens of the datasets again."
        )

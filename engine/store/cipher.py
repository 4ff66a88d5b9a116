"""SAS tokens are kept encrypted: Fernet (AES-128-CBC with HMAC-SHA-256), with a key from a file or a secret."""

import hashlib

from cryptography.fernet import Fernet, InvalidToken
from pydantic import SecretStr

from engine.errors import SettingsError
from engine.secret_file import secret_file
from engine.settings import Settings

KEY_FILE = "token.key"


class TokenCipher:
    """Encrypts and decrypts SAS tokens."""

    def __init__(self, key: SecretStr) -> None:
        try:
            self._fernet = Fernet(key.get_secret_value())
        except ValueError:
            raise SettingsError("token_key is no Fernet key: expected 32 bytes in URL-safe base64.") from None
        self.fingerprint = hashlib.sha256(b"token key:" + key.get_secret_value().encode()).hexdigest()

    @classmethod
    def open(cls, settings: Settings) -> "TokenCipher":
        """With the key of the settings, else with the one in the data folder, which is made if there is none."""
        return cls(settings.token_key or SecretStr(secret_file(settings.data_dir / KEY_FILE, Fernet.generate_key().decode())))

    def encrypt(self, token: SecretStr) -> str:
        return self._fernet.encrypt(token.get_secret_value().encode()).decode()

    def decrypt(self, encrypted: str) -> SecretStr:
        """Raises SettingsError where the token was encrypted with another key."""
        try:
            return SecretStr(self._fernet.decrypt(encrypted).decode())
        except InvalidToken:
            raise SettingsError(
                f"A SAS token in the database was encrypted with another key: restore {KEY_FILE} (or VISION_ENGINE_TOKEN_KEY), "
                "or update the dataset's authentication."
            ) from None

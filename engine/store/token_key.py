"""Which key the SAS tokens of a shared database are encrypted with, so that a process with another key is told at its start."""

from sqlalchemy import select
from sqlalchemy.dialects import postgresql

from vision_customization.engine.errors import SettingsError
from vision_customization.engine.settings import Settings
from vision_customization.engine.store.cipher import KEY_FILE
from vision_customization.engine.store.database import Database
from vision_customization.engine.store.tables import TokenKeyRow


class TokenKeyStore(Database):
    def check_token_key(self, settings: Settings) -> None:
        """The first process that opens a PostgreSQL database settles its key. Raises SettingsError in one with another key.

        An SQLite database has one data folder, and one key with it: whoever has lost that registers the tokens again.
        """
        if not settings.on_postgresql:
            return
        with self._writing() as session:
            first = postgresql.insert(TokenKeyRow).values(id=1, fingerprint=self._cipher.fingerprint)
            session.execute(first.on_conflict_do_nothing())
            settled = session.scalar(select(TokenKeyRow.fingerprint))
        if settled != self._cipher.fingerprint:
            own = "VISION_ENGINE_TOKEN_KEY" if settings.token_key else f"{settings.data_dir / KEY_FILE}"
            raise SettingsError(
                f"The key in {own} is not the one that the SAS tokens in this database are encrypted with: give all processes "
                "of an engine the same VISION_ENGINE_TOKEN_KEY. If that key is lost, empty the table token_key, "
                "start again, and set the SAS tokens of the datasets anew."
            )

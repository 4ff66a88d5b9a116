"""The containers that a dataset's SAS token is for: until now, those of its annotation files, whatever they were changed to."""

from contextlib import suppress

import sqlalchemy as sa
from alembic import op

from vision_customization.engine.blobs.address import (BlobError, Container)

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_DATASETS = sa.table(
    "datasets",
    sa.column("sequence", sa.Integer()),
    sa.column("annotation_file_uris", sa.JSON()),
    sa.column("sas_token_encrypted", sa.Text()),
    sa.column("sas_scopes", sa.JSON()),
)


def upgrade() -> None:
    op.add_column("datasets", sa.Column("sas_scopes", sa.JSON()))
    connection = op.get_bind()
    with_token = sa.select(_DATASETS).where(_DATASETS.c.sas_token_encrypted.is_not(None))
    for row in connection.execute(with_token).all():
        scopes: dict[str, None] = {}
        for uri in row.annotation_file_uris:
            with suppress(BlobError):
                scopes[Container.of(uri).url] = None
        change = sa.update(_DATASETS).where(_DATASETS.c.sequence == row.sequence)
        connection.execute(change.values(sas_scopes=list(scopes)))


def downgrade() -> None:
    op.drop_column("datasets", "sas_scopes")

"""Alembic's entry: runs the migrations on the connection that `Database.migrate` hands over, in its transaction."""

from alembic import context

from vision_customization.engine.store.tables import Table

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    compare_type=True,
    render_as_batch=context.config.attributes["connection"].dialect.name == "sqlite",
)
with context.begin_transaction():
    context.run_migrations()

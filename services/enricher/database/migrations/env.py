"""What Alembic runs: the migrations, on the connection and in the transaction that it was given."""

from alembic import context

from services.enricher.database.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    render_as_batch=True,  # SQLite alters a table by making it anew
)
context.run_migrations()

"""How the schema came to be: one module for each change, in `versions`, run by Alembic."""

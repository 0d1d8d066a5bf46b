"""The enricher's database: the only one there is.

`open_database(settings, state_dir=…)` is a context that brings the schema up to date and yields a `Database`.
Its two methods take a function of a connection, which becomes one transaction:

    async def count(connection: AsyncConnection) -> int: ...

    total = await database.read(count)

Whoever waits may be cancelled, the transaction is not: it runs to its end. So the function must do nothing
but ask the database. Each wing has its tables; `schema` is what they have in common, and `migrations` made them.
"""

"""Long work that somebody asked for: kept as rows, done one of each kind at a time, and gone on with after a restart.

    async with Tasks.running(database, {"scan": scan}) as tasks:
        task = await tasks.start("scan", {"path": "/media"})
        await tasks.cancel(task.id)

What became of single things is told with `progress.item(name, outcome)`, and kept as long as the task is known.
The work is a function of the task's arguments and a `Progress`, with which it counts what it does. Between its steps
it calls `progress.step()`, which ends it where the task was cancelled. It may be cut off anywhere and begun again.
"""

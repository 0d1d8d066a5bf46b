#!/usr/bin/env bash
# About: watchfiles on a media library's root, a finished folder moved in from beside it (what every download program does).
# Guess: recursive watching tells of each file in it; a filter for *.mkv sees the films.
# Behaviour: moved in by a rename there is one change, `added` of the folder itself; a filter for files drops it, and nothing is
#   found. The same moving out or renaming: one `deleted`, none for what is below. Copied in, each file is told.
#   Walk each added folder; forget everything below a deleted path.
# Version: watchfiles 1.3.0 (inotify). Source: observed; inotify(7): a rename is one event of the parent.
source "$(dirname "$0")/sandbox.sh"
packages watchfiles==1.3.0
in_python "$work" <<'PYTHON'
import asyncio, os, shutil, sys
from pathlib import Path
from watchfiles import awatch

async def main():
    library, beside = Path(sys.argv[1], "library"), Path(sys.argv[1], "beside")
    for folder in (library, beside / "Show/Season 1", beside / "Show/Season 2"):
        folder.mkdir(parents=True)
    for season in (1, 2):
        (beside / f"Show/Season {season}/01.mkv").touch()
    seen, stop = set(), asyncio.Event()

    async def watch():
        async for changes in awatch(library, stop_event=stop):
            seen.update((change.name, os.path.relpath(path, library)) for change, path in changes)

    async def told_of(action):
        seen.clear()
        action()
        await asyncio.sleep(3)
        return sorted(seen)

    watching = asyncio.create_task(watch())
    await asyncio.sleep(1)
    copied = await told_of(lambda: shutil.copytree(beside / "Show", library / "Copied"))
    moved = await told_of(lambda: os.rename(beside / "Show", library / "Moved"))
    out = await told_of(lambda: os.rename(library / "Moved", beside / "Show"))
    stop.set()
    await watching
    print("copied in:", copied, "\nmoved in:", moved, "\nmoved out:", out)
    sys.exit(moved != [("added", "Moved")] or out != [("deleted", "Moved")] or len(copied) < 3)

asyncio.run(main())
PYTHON

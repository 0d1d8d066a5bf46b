#!/usr/bin/env bash
# About: the first work for a pool of processes whose start method is `forkserver`, given to it on an event loop.
# Guess: ProcessPool.schedule, and run_in_executor with a ProcessPoolExecutor, return a future at once: what a process has
#   to load before, is waited for by whoever awaits it, and the loop goes on.
# Behaviour: the call itself waits, and the loop with it, until the server has imported all that it preloads, and has forked:
#   starting a process reads its number from the server. So preloading, which is there to make starts cheap, holds up
#   everybody else at the first one, and again after the server has died. The way around: asyncio.to_thread(pool.schedule, …).
# Version: Pebble 5.2.3 and CPython 3.11 (`forkserver` is the default of Linux from 3.14 on). Source: read_signed in
#   multiprocessing/popen_forkserver.py; neither documentation says so.
source "$(dirname "$0")/sandbox.sh"
packages pebble==5.2.3
in_python <<'PYTHON'
import asyncio, multiprocessing, os, sys, tempfile, time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import forkserver
from pathlib import Path
from pebble import ProcessPool

LOADS_S = 1.0
__file__ = None  # or each process would want to read this program, which came by standard input
context = multiprocessing.get_context("forkserver")

async def longest_standstill(give):
    """Of the loop, while the work is given and done."""
    longest, before, ended = 0.0, time.monotonic(), False

    async def beat():
        nonlocal longest, before
        while not ended:
            await asyncio.sleep(0.01)
            longest, before = max(longest, time.monotonic() - before), time.monotonic()

    beating = asyncio.create_task(beat())
    await asyncio.sleep(0.05)
    await give()
    ended = True
    await beating
    forkserver._forkserver._stop()
    return longest

async def main(folder):
    Path(folder, "decoders.py").write_text(f"import time; time.sleep({LOADS_S})")
    os.environ["PYTHONPATH"] = folder
    forkserver.set_forkserver_preload(["decoders"])
    found = {}
    for name in ("schedule", "schedule in a thread", "run_in_executor"):

        async def give():
            if name == "run_in_executor":
                with ProcessPoolExecutor(1, context) as pool:
                    await asyncio.get_running_loop().run_in_executor(pool, os.getpid)
                return
            pool = ProcessPool(1, context=context)
            in_a_thread = "thread" in name
            future = await asyncio.to_thread(pool.schedule, os.getpid) if in_a_thread else pool.schedule(os.getpid)
            await asyncio.wrap_future(future)
            pool.stop()
            await asyncio.to_thread(pool.join)

        found[name] = await longest_standstill(give)
    for name, longest in found.items():
        print(f"{name}: the loop stood still for {longest:.2f} s; the server loads for {LOADS_S} s")
    waits = min(found["schedule"], found["run_in_executor"])
    sys.exit(not (waits >= LOADS_S and found["schedule in a thread"] < LOADS_S))

with tempfile.TemporaryDirectory() as folder:
    asyncio.run(main(folder))
PYTHON

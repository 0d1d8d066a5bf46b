#!/usr/bin/env bash
# About: RabbitMQ 3.10, a queue of at most ten messages that refuses more (x-max-length with reject-publish).
# Guess: ten are confirmed and kept and all others are refused, in a quorum queue as in a classic one.
# Behaviour: a classic queue keeps exactly ten. A quorum queue confirms and keeps what is on the way until each channel has
#   been told that it is full: of 2,000 published at once on 20 channels between a few dozen and several hundred. Memory
#   or an allowance planned by the limit has to allow for everything that publishers may have unconfirmed at once.
# Versions: RabbitMQ 3.10.8 (Debian), aio-pika 10.2.1. Source: observed.
source "$(dirname "$0")/sandbox.sh"
packages aio-pika==10.2.1 aiormq==7.2.4 pamqp==4.0.1
rabbitmq
in_python "$amqp" 2>"$work/logged" <<'PYTHON'
import asyncio, sys
import aio_pika

LIMIT, CHANNELS, OF_EACH = 10, 20, 100

async def connected():
    while True:
        try:
            return await aio_pika.connect(f"amqp://guest:guest@127.0.0.1:{sys.argv[1]}/")
        except (ConnectionError, aio_pika.exceptions.AMQPError):
            await asyncio.sleep(0.5)

async def confirmed_and_kept(connection, kind):
    channels = [await connection.channel() for _ in range(CHANNELS)]
    arguments = {"x-queue-type": kind, "x-max-length": LIMIT, "x-overflow": "reject-publish"}
    await channels[0].declare_queue(kind, durable=True, arguments=arguments)
    message = aio_pika.Message(b"job", delivery_mode=2)
    publishing = [channel.default_exchange.publish(message, kind) for _ in range(OF_EACH) for channel in channels]
    answers = await asyncio.gather(*publishing, return_exceptions=True)
    await asyncio.sleep(1)
    queue = await channels[0].declare_queue(kind, passive=True)
    confirmed = sum(not isinstance(answer, Exception) for answer in answers)
    return confirmed, queue.declaration_result.message_count

async def main():
    async with await asyncio.wait_for(connected(), 40) as connection:
        classic, quorum = [await confirmed_and_kept(connection, kind) for kind in ("classic", "quorum")]
    print(f"confirmed and kept of {CHANNELS * OF_EACH}, limit {LIMIT}: classic {classic}, quorum {quorum}")
    sys.exit(classic != (LIMIT, LIMIT) or not (quorum[0] == quorum[1] > LIMIT))

asyncio.run(main())
PYTHON

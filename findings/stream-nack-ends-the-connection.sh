#!/usr/bin/env bash
# About: aio-pika 10 with a RabbitMQ stream, and a handler that fails once (`async with message.process()`).
# Guess: the message comes again, or, as a stream cannot take anything back, is passed over; at worst that channel closes.
# Behaviour: reject and nack of a stream's message end the whole connection (540), with every other channel and consumer
#   on it, whatever their queues. A consumer of streams needs a connection of its own, and acknowledges failures, too.
# Versions: RabbitMQ 3.10.8 (Debian), aio-pika 10.2.1. Source: observed; the broker's text says what it does not support.
source "$(dirname "$0")/sandbox.sh"
packages aio-pika==10.2.1 aiormq==7.2.4 pamqp==4.0.1
rabbitmq
in_python "$amqp" 2>"$work/logged" <<'PYTHON'
import asyncio, sys
import aio_pika

async def connected():
    while True:
        try:
            return await aio_pika.connect(f"amqp://guest:guest@127.0.0.1:{sys.argv[1]}/")
        except (ConnectionError, aio_pika.exceptions.AMQPError):
            await asyncio.sleep(0.5)

async def fails(message):
    async with message.process():
        raise ValueError("a job that fails once")

async def main():
    connection = await asyncio.wait_for(connected(), 40)
    closed = asyncio.get_running_loop().create_future()
    connection.close_callbacks.add(lambda _, error: closed.done() or closed.set_result(error))
    bystander, events = await connection.channel(), await connection.channel()
    await bystander.declare_queue("other work", exclusive=True)
    await events.set_qos(10)
    stream = await events.declare_queue("events", durable=True, arguments={"x-queue-type": "stream"})
    await events.default_exchange.publish(aio_pika.Message(b"1"), routing_key="events")
    await stream.consume(fails, arguments={"x-stream-offset": "first"})
    error = await asyncio.wait_for(closed, 20)
    print("connection closed:", error)
    print("the other channel closed as well:", bystander.is_closed)
    sys.exit(not ("540" in repr(error) or "NOT_IMPLEMENTED" in str(error)) or not bystander.is_closed)

asyncio.run(main())
PYTHON

"""The queue on RabbitMQ, 3.10 or later."""

from shared.queue.rabbitmq.engine import RabbitQueue, open_rabbitmq

__all__ = ["RabbitQueue", "open_rabbitmq"]

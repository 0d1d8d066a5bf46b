"""The queue on RabbitMQ, 3.10 or later."""

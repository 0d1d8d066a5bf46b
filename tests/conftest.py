pytest_plugins = ["tests.providers.fixtures", "tests.servers.rabbitmq"]

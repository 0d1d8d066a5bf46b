pytest_plugins = ["tests.contract.volumes", "tests.providers.fixtures", "tests.servers.rabbitmq"]

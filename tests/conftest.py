pytest_plugins = ["tests.providers.fixtures"]

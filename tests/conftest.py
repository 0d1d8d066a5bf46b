pytest_plugins = [
    "tests.contract.nginx_site",
    "tests.contract.volumes",
    "tests.integration.downloading",
    "tests.providers.fixtures",
    "tests.servers.rabbitmq",
]

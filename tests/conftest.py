pytest_plugins = [
    "tests.contract.nginx_site",
    "tests.contract.volumes",
    "tests.providers.fixtures",
    "tests.servers.rabbitmq",
]

import os

for _name in [name for name in os.environ if name.lower() in {"http_proxy", "https_proxy", "all_proxy"}]:
    del os.environ[_name]  # settings, too, and the tests' own hosts are on this machine

os.environ["RENDER_WHEN_IDLE"] = "false"  # other tests, and what else runs here, may leave nothing idle

pytest_plugins = [
    "tests.servers.rabbitmq",
    "tests.servers.object_stores",  # imports the one before, as do the next two
    "tests.contract.nginx_site",
    "tests.contract.volumes",
    "tests.integration.downloading",
    "tests.providers.fixtures",
    "tests.servers.postgresql",
    "tests.servers.redis",
    "tests.sharing",
]

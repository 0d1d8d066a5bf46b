"""Where redirects may not lead, and what is allowed: private hosts that are named, hosts that a signature names."""
# ruff: noqa: RUF001 - odd characters are what this is about

from pathlib import Path

import pytest

from services.fetcher.download.downloader import Downloaded
from services.fetcher.errors import DownloadRefused, PictureError
from shared.pictures import RefusalReason
from tests.integration.downloading import PUBLIC, running_downloader, settings_with
from tests.providers.behaviour import Behaviour
from tests.providers.picture_host import PictureHost
from tests.servers.dialled import dialled
from tests.servers.name_server import NameServer
from tests.servers.trap import Trap

PICTURE = "/poster/1-60x90.jpg"

REDIRECTS = {
    "http://127.0.0.1:{port}/": RefusalReason.ADDRESS,
    "http://localhost:{port}/": RefusalReason.ADDRESS,
    "http://inside.example:{port}/": RefusalReason.ADDRESS,
    "http://[::ffff:127.0.0.1]:{port}/": RefusalReason.ADDRESS,
    "http://169.254.169.254/latest/meta-data/": RefusalReason.ADDRESS,
    "//127.0.0.1:{port}/": RefusalReason.ADDRESS,
    "http://１２７.0.0.1:{port}/": RefusalReason.ADDRESS,
    "http://127.1:{port}/": RefusalReason.URL,
    "http://2130706433:{port}/": RefusalReason.URL,
    "http://127.0.0.1.:{port}/": RefusalReason.URL,
    "http://user@127.0.0.1:{port}/": RefusalReason.URL,
    "http://[::1]@": RefusalReason.URL,
    "file:///etc/passwd": RefusalReason.URL,
    "gopher://127.0.0.1:{port}/": RefusalReason.URL,
    "javascript:alert(1)": RefusalReason.URL,
    "http://public.example:8080/": RefusalReason.PORT,
    "https://public.example:80/": RefusalReason.PORT,
}


@pytest.mark.parametrize(("location", "rule"), REDIRECTS.items())
@pytest.mark.parametrize("hops", [1, 3])
async def test_no_redirect_leads_there_either(
    tmp_path: Path,
    names: NameServer,
    trap: Trap,
    picture_host: PictureHost,
    *,
    location: str,
    rule: RefusalReason,
    hops: int,
) -> None:
    names.say("inside.example", ["127.0.0.1"])
    authority = picture_host.root.removeprefix("http://")
    allowed = settings_with(trap, ALLOWED_HOSTS=f"*,*:{trap.port},{authority}", ALLOW_PRIVATE=authority)
    for hop in range(1, hops):
        picture_host.behave(f"/{hop}", Behaviour.redirecting(f"/{hop + 1}"))
    target = location.replace("{port}", str(trap.port))
    picture_host.behave(f"/{hops}", Behaviour.redirecting(target))
    async with running_downloader(tmp_path, allowed, names) as downloading:
        with pytest.raises(DownloadRefused) as refused:
            await downloading.get(picture_host.url("/1"))
        assert refused.value.rule is rule
        assert downloading.refusals() == {rule: 1}


async def test_the_eleventh_redirect_is_one_too_many(
    tmp_path: Path, trap: Trap, picture_host: PictureHost
) -> None:
    authority = picture_host.root.removeprefix("http://")
    for hop in range(1, 12):
        picture_host.behave(f"/{hop}", Behaviour.redirecting(f"/{hop + 1}"))
    picture_host.behave("/12", Behaviour.redirecting(PICTURE))
    allowed = settings_with(trap, ALLOWED_HOSTS=authority, ALLOW_PRIVATE=authority)
    async with running_downloader(tmp_path, allowed) as downloading:
        with pytest.raises(DownloadRefused) as refused:
            await downloading.get(picture_host.url("/1"))
    assert refused.value.rule is RefusalReason.REDIRECTS
    assert picture_host.count("/12") == 0


ALLOWED = [
    "http://nas.example:{port}",
    "http://NAS.example:{port}",
    "http://ｎａｓ.example:{port}",
    "http://127.0.0.1:{port}",
]


@pytest.mark.parametrize("root", ALLOWED)
async def test_a_private_address_is_dialled_where_exactly_its_host_and_port_are_named(
    tmp_path: Path, names: NameServer, trap: Trap, picture_host: PictureHost, root: str
) -> None:
    port = picture_host.root.rpartition(":")[2]
    names.say("nas.example", ["127.0.0.1"])
    pairs = f"nas.example:{port},127.0.0.1:{port}"
    allowed = settings_with(trap, ALLOWED_HOSTS=f"*,*:{port},*:{trap.port}", ALLOW_PRIVATE=pairs)
    async with running_downloader(tmp_path, allowed, names) as downloading:
        with dialled() as addresses:
            got = [await downloading.get(root.replace("{port}", port) + PICTURE) for _ in range(2)]
        assert all(isinstance(one, Downloaded) for one in got)
        assert addresses == [
            ("127.0.0.1", int(port))
        ]  # kept alive: what was checked then is still on the line
        assert names.asked["nas.example", "A"] <= 1
        for elsewhere in (f"http://nas.example:{trap.port}/", f"http://127.0.0.1:{trap.port}/"):
            with pytest.raises(DownloadRefused):
                await downloading.get(elsewhere)


@pytest.mark.parametrize(
    ("url", "authorised", "rule"),
    [
        ("http://stranger.example/", None, RefusalReason.HOST),
        ("http://stranger.example/", "stranger.example", None),
        ("https://stranger.example/", "stranger.example", None),
        ("http://stranger.example:8080/", "stranger.example", RefusalReason.HOST),
        ("http://stranger.example:8080/", "stranger.example:8080", None),
        ("http://stranger.example/", "stranger.example:8080", RefusalReason.HOST),
        ("http://x.stranger.example/", "stranger.example", RefusalReason.HOST),
        ("http://inside.example/", "inside.example", RefusalReason.ADDRESS),
        ("http://127.0.0.1/", "127.0.0.1", RefusalReason.ADDRESS),
    ],
)
async def test_a_signature_stands_in_for_the_allowed_hosts_and_for_nothing_else(
    tmp_path: Path,
    names: NameServer,
    trap: Trap,
    *,
    url: str,
    authorised: str | None,
    rule: RefusalReason | None,
) -> None:
    names.say("stranger.example", [PUBLIC])
    names.say("inside.example", ["127.0.0.1"])
    allowed = settings_with(trap, ALLOWED_HOSTS="a.example")
    async with running_downloader(tmp_path, allowed, names) as downloading:
        with dialled() as addresses, pytest.raises(PictureError) as failed:
            await downloading.get(url, authorised_host=authorised)
        assert (failed.value.rule if isinstance(failed.value, DownloadRefused) else None) == rule
        assert [address for address, _ in addresses] == ([] if rule else [PUBLIC])

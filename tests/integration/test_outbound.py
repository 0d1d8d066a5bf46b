"""Through an outbound proxy: what goes through which, and what is checked all the same."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from yarl import URL

from services.fetcher.download.downloader import Downloaded
from services.fetcher.errors import DownloadRefused, PictureError
from services.fetcher.settings import DownloadSettings
from shared.http.outbound import OutboundSettings
from shared.pictures import FailureClass, RefusalReason
from tests.integration.downloading import Downloading, running_downloader
from tests.providers.behaviour import Behaviour
from tests.providers.picture_host import PictureHost
from tests.servers.proxies import Proxy, running_proxy

PICTURE = "/poster/1-60x90.jpg"
FAR = "nowhere.example"
"""A name that nobody resolves but the proxy."""

Start = Callable[..., Awaitable[Downloading]]


@pytest.fixture
async def start(
    tmp_path: Path, picture_host: PictureHost, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Start]:
    port = picture_host.root.rpartition(":")[2]
    async with AsyncExitStack() as stack:

        async def started(**settings: str) -> Downloading:
            for name, value in ({"ALLOWED_HOSTS": f"*,*:{port}"} | settings).items():
                monkeypatch.setenv(name, value)
            return await stack.enter_async_context(running_downloader(tmp_path, DownloadSettings()))

        yield started


@pytest.fixture(params=["http", "socks5"])
async def proxy(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Proxy, str]]:
    """One that listens at a private address, and its URL."""
    async with running_proxy(socks=request.param == "socks5") as proxy:
        yield proxy, f"{request.param}://user:s%40cret@127.0.0.1:{proxy.port}"


def far(picture_host: PictureHost, path: str = PICTURE) -> str:
    return f"http://{FAR}:{picture_host.root.rpartition(':')[2]}{path}"


@pytest.mark.parametrize("setting", ["ALL_PROXY", "HTTP_PROXY", "http_proxy"])
async def test_pictures_come_through_the_proxy_which_resolves_their_hosts(
    start: Start, picture_host: PictureHost, proxy: tuple[Proxy, str], setting: str
) -> None:
    asked, url = proxy
    downloading = await start(**{setting: url})
    assert isinstance(await downloading.get(far(picture_host)), Downloaded)
    assert asked.asked == [far(picture_host).split("/")[2]]
    assert asked.credentials == ["user:s@cret"]
    assert picture_host.count(PICTURE) == 1


async def test_the_start_says_that_addresses_go_unchecked_and_tells_no_password(
    start: Start, proxy: tuple[Proxy, str], capsys: pytest.CaptureFixture[str]
) -> None:
    await start(ALL_PROXY=proxy[1])
    said = capsys.readouterr().out
    assert "addresses unchecked" in said
    assert f"127.0.0.1:{proxy[0].port}" in said
    assert "cret" not in said


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("http://127.0.0.1:{port}/", RefusalReason.ADDRESS),
        ("http://[::1]:{port}/", RefusalReason.ADDRESS),
        ("http://169.254.169.254/", RefusalReason.ADDRESS),
        ("http://nowhere.example:22/", RefusalReason.PORT),
    ],
)
async def test_what_a_url_says_is_checked_all_the_same(
    start: Start, picture_host: PictureHost, proxy: tuple[Proxy, str], url: str, rule: RefusalReason
) -> None:
    downloading = await start(ALL_PROXY=proxy[1])
    target = url.replace("{port}", picture_host.root.rpartition(":")[2])
    with pytest.raises(DownloadRefused) as refused:
        await downloading.get(target)
    assert refused.value.rule is rule
    assert proxy[0].asked == []
    picture_host.behave("/there", Behaviour.redirecting(target))
    with pytest.raises(DownloadRefused) as refused:
        await downloading.get(far(picture_host, "/there"))
    assert refused.value.rule is rule
    assert len(proxy[0].asked) == 1


async def test_a_host_that_is_asked_straight_has_its_address_checked(
    start: Start, picture_host: PictureHost, proxy: tuple[Proxy, str]
) -> None:
    downloading = await start(ALL_PROXY=proxy[1], NO_PROXY="localhost")
    with pytest.raises(DownloadRefused) as refused:
        await downloading.get(far(picture_host).replace(FAR, "localhost"))
    assert refused.value.rule is RefusalReason.ADDRESS
    assert proxy[0].asked == []


async def test_a_proxy_that_lets_nobody_through_is_a_failure_that_names_it(
    start: Start, picture_host: PictureHost, proxy: tuple[Proxy, str]
) -> None:
    proxy[0].refusing = True
    downloading = await start(ALL_PROXY=proxy[1])
    with pytest.raises(PictureError, match=r"proxy|407") as failed:
        await downloading.get(far(picture_host))
    assert failed.value.failure_class is FailureClass.UPSTREAM


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_and_so_is_one_that_is_not_there(
    start: Start, picture_host: PictureHost, unused_tcp_port: int, scheme: str
) -> None:
    downloading = await start(ALL_PROXY=f"{scheme}://127.0.0.1:{unused_tcp_port}")
    with pytest.raises(PictureError, match="proxy") as failed:
        await downloading.get(far(picture_host))
    assert failed.value.failure_class is FailureClass.UPSTREAM


async def test_https_goes_through_a_tunnel(
    start: Start, picture_host: PictureHost, proxy: tuple[Proxy, str]
) -> None:
    """The host behind it speaks no TLS, so that is as far as it goes."""
    downloading = await start(HTTPS_PROXY=proxy[1])
    with pytest.raises(PictureError) as failed:
        await downloading.get(far(picture_host).replace("http", "https", 1))
    assert failed.value.failure_class is FailureClass.UPSTREAM
    assert proxy[0].asked == [far(picture_host).split("/")[2]]


SETTINGS = OutboundSettings(
    https_proxy="http://secure:1",
    all_proxy="socks5://all:2",
    no_proxy=("a.example", ".b.example", "*.c.example", "d.example:8080", "10.0.0.1"),
)


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("https://x.example/", "http://secure:1"),
        ("http://x.example/", "socks5://all:2"),
        ("http://a.example/", None),
        ("https://x.a.example/", None),
        ("http://xa.example/", "socks5://all:2"),
        ("http://b.example:8080/", None),
        ("http://x.c.example/", None),
        ("http://d.example/", "socks5://all:2"),
        ("http://d.example:8080/", None),
        ("http://10.0.0.1:9/", None),
        ("http://110.0.0.1/", "socks5://all:2"),
    ],
)
def test_each_url_has_its_proxy(url: str, proxy: str | None) -> None:
    assert SETTINGS.proxy_for(URL(url)) == (URL(proxy) if proxy else None)


def test_everything_can_be_asked_straight() -> None:
    everything = SETTINGS.model_copy(update={"no_proxy": ("*",)})
    assert everything.proxy_for(URL("https://x.example/")) is None


@pytest.mark.parametrize(
    "text", ["proxy:3128", "proxy", "ftp://proxy:21", "http://proxy", "http://:1", "http://[::1"]
)
def test_a_proxy_that_cannot_be_read_ends_the_start(text: str) -> None:
    with pytest.raises(ValueError, match="A proxy is"):
        OutboundSettings(all_proxy=text)

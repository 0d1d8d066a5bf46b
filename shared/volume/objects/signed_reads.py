"""Signed reads: whole files by URLs that are signed for a while, over connections of this process's event loop. What the client's library
does for a GET passes two threads and takes twice the processor time, and a proxy without a cached file has little else to do.
"""

import asyncio
from contextlib import suppress
from datetime import timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.request import getproxies

import aiohttp
import obstore
from obstore.store import S3Store
from yarl import URL

from shared.background import cancel_and_wait
from shared.volume.settings import ObjectStoreSettings

SIGNED_FOR = timedelta(hours=1)
"""So clocks may differ by a quarter of an hour, which is what stores allow; it is used at once."""

AT_ONCE = 64
"""Connections; further reads wait for one."""

CONNECT_WITHIN_S = 5.0
_SAID = ("x-amz-meta-", "x-ms-meta-")


class SignedReads:
    """Raises FileNotFoundError, PermissionError and other OSErrors."""

    def __init__(self, settings: ObjectStoreSettings) -> None:
        self._settings = settings
        self._session: asyncio.Future[aiohttp.ClientSession] | None = None
        self._open: asyncio.Task[None] | None = None

    async def get(self, store: S3Store, path: str) -> tuple[bytes, dict[str, str]]:
        """The bytes; and by small letters what was said of them: entity tag, moment, metadata."""
        session = await self._opened()
        if self._settings.access_key_id:
            signed = obstore.sign(store, "GET", path, SIGNED_FOR)
        else:  # of a role, whose keys may have to be asked for
            signed = await obstore.sign_async(store, "GET", path, SIGNED_FOR)
        try:
            async with session.get(URL(signed, encoded=True), allow_redirects=False) as answer:
                if answer.status == HTTPStatus.OK:
                    return await answer.read(), _said(answer)
                reason = f"{answer.status} {answer.reason}"
        except aiohttp.ClientError as error:
            # Not its text, which may have the URL in it, by which anybody may read for an hour.
            raise ConnectionError(getattr(error, "strerror", None) or type(error).__name__) from None
        if answer.status == HTTPStatus.NOT_FOUND:
            raise FileNotFoundError(path)
        if answer.status in (HTTPStatus.FORBIDDEN, HTTPStatus.UNAUTHORIZED):
            raise PermissionError(reason)
        raise ConnectionError(reason)

    async def _opened(self) -> aiohttp.ClientSession:
        """One for the event loop, which closes it when it ends: it cancels what is left."""
        if self._session is None or self._open is None or self._open.done():
            self._session = asyncio.get_running_loop().create_future()
            self._open = asyncio.create_task(self._hold(self._session), name="connections to the store")
        return await asyncio.shield(self._session)

    async def _hold(self, opened: asyncio.Future[aiohttp.ClientSession]) -> None:
        connector = aiohttp.TCPConnector(limit=AT_ONCE, ssl=self._settings.verify_ssl)
        async with aiohttp.ClientSession(
            connector=connector,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent"),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_WITHIN_S),
            trust_env=bool(getproxies()),
        ) as session:
            opened.set_result(session)
            await asyncio.Event().wait()

    async def close(self) -> None:
        if self._open:
            await cancel_and_wait(self._open)


def _said(answer: aiohttp.ClientResponse) -> dict[str, str]:
    said = {"etag": answer.headers.get("ETag", "")}
    with suppress(ValueError, TypeError):
        said["last-modified"] = str(
            int(parsedate_to_datetime(answer.headers.get("Last-Modified", "")).timestamp())
        )
    for name, value in answer.headers.items():
        small = name.lower()
        if small.startswith(_SAID):
            said[small.partition("-meta-")[2]] = value
    return said

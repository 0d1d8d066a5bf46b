#!/usr/bin/env bash
# About: aiocache's `@cached` on a method, of a client that is made for each request (with the user's language or token).
# Guess: `self` belongs to the key, for there is `noself=False`: each object has answers of its own, so that a client for one request
#   never hits; or an object is told from another by what it holds.
# Behaviour: the key has the object's repr, which is its class and its address. When it is gone, the next one is mostly made at the same
#   address and gets the dead one's answer, in its language, until the TTL ends; two that live side by side do not. So tests
#   with two clients pass, and the site answers one user with the other's page. Name the key yourself (key_builder), or give the
#   class a __repr__ that says what tells its objects apart.
# Version: aiocache 0.12.3 (CPython 3.11). Source: its decorators document noself as "the first argument (usually self) is ignored"; observed.
source "$(dirname "$0")/sandbox.sh"
packages aiocache==0.12.3
in_python <<'PYTHON'
import asyncio, sys
from aiocache import cached

class Client:
    def __init__(self, language):
        self.language = language

    @cached(ttl=60)
    async def overview(self, title):
        return f"{title} in {self.language}"

class Named(Client):
    def __repr__(self):
        return f"Named({self.language})"

async def main():
    async def request(kind, language):
        return await kind(language).overview("tt1")

    one_after_the_other = [await request(Client, language) for language in ("de", "en", "fr")]
    named = [await request(Named, language) for language in ("de", "en", "fr")]
    both = Client("ja"), Client("ko")
    beside = [await client.overview("tt2") for client in both]
    print("a client for each request:", one_after_the_other)
    print("with a repr of its own:", named)
    print("two that live side by side:", beside)
    own = [f"tt1 in {language}" for language in ("de", "en", "fr")]
    sys.exit(not (len(set(one_after_the_other)) < 3 and named == own and beside == ["tt2 in ja", "tt2 in ko"]))

asyncio.run(main())
PYTHON

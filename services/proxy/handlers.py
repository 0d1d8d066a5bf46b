"""Routes, and the order of things: last time's answer, the signature, what is asked, what is there, what stands for it."""

import hmac
import time
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

from aiohttp import web

from services.proxy import hot_answers, wanted
from services.proxy.access_counts import AccessCounts
from services.proxy.delivery import Delivery, MovedRevision, NotYet
from services.proxy.description import describing
from services.proxy.hot_answers import HotAnswers
from services.proxy.negotiation import Precondition, evaluate, is_browser_image, welcome_formats
from services.proxy.responses import Answers
from services.proxy.settings import ProxySettings
from shared.http import NO_STORE, Problem
from shared.http.app import CLIENT_LEFT, Observation
from shared.http.early import Early, EarlyAnswer, FileToSend, Head
from shared.http.signatures import EXPIRY, BadSignature, Signatures
from shared.pictures import Format, HostRules, RefusalReason, public_paths
from shared.telemetry import Metrics, traced

FREE_KEY = "t0-free"
"""Where no keys are set, and nothing has to be signed: programs send something in any case."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """What the handlers call."""

    settings: ProxySettings
    rules: HostRules
    signatures: Signatures
    private_signatures: Signatures
    """Of private uploads: where there are no keys, none is good."""
    delivery: Delivery
    hot: HotAnswers
    answers: Answers
    use: AccessCounts

    def check_key(self, key: str) -> None:
        """Raise Problem for one that opens nothing."""
        good = self.settings.poster_keys or (() if self.signatures.required else (FREE_KEY,))
        same = [hmac.compare_digest(one.encode(), key.encode(errors="surrogateescape")) for one in good]
        if not any(same):
            raise Problem(HTTPStatus.FORBIDDEN, "The key in the path is none of POSTER_KEYS.")

    def welcome(self, request: web.Request) -> tuple[Format, ...]:
        return welcome_formats(request.headers, self.settings.image_format)

    def patience_s(self, request: web.Request) -> float:
        browser = is_browser_image(request.headers)
        return self.settings.miss_wait_s if browser else self.settings.miss_wait_others_s


LOOKS = 3
"""How often a file may vanish under our hands before the client is asked to come back."""

PROXY = web.AppKey("proxy", Proxy)
DESCRIPTION = "/api/images/openapi.json"


def picture_routes(paths: public_paths.PublicPaths) -> list[web.RouteDef]:
    """One for each form of path, one for their description, and one that says whether a key is good."""
    return [
        web.get(DESCRIPTION, describing(paths)),
        *(_route(form) for form in paths.forms),
        web.get(public_paths.KEY_CHECK, _check_of_key),
    ]


def _route(form: public_paths.Form) -> web.RouteDef:
    route = _router_pattern(form)

    async def answer(request: web.Request) -> web.StreamResponse:
        request[hot_answers.ROUTE] = route
        return await _answer(form, request)

    return web.get(route, answer)


def answering_early(proxy: Proxy, service: str, metrics: Metrics) -> Early:
    """The answer of last time, where it still holds: it was asked for in the same words, and signed as it had to be."""
    hits = metrics.served("hit")

    def answer(head: Head) -> EarlyAnswer | None:
        hot = proxy.hot.find(head)
        if hot is None:
            return None
        observation = Observation(head, hot.route, service, metrics)
        verdict = _SEND
        if head.is_conditional:
            verdict = evaluate(head.headers, hot.etag, hot.modified_s, may_go_back=hot.name is not None)
        if verdict is _SEND:
            early = _found(hot, head, observation)
        elif verdict is Precondition.NOT_MODIFIED:
            observation.answered(304, hot.said)
            early = EarlyAnswer(hot.ready.unchanged(head))
        else:
            return None
        if early:
            hits.inc()
            if hot.may_change:
                with traced(observation.trace):
                    proxy.delivery.served(hot.may_change)
            proxy.use.count(hot.picture)
        return early

    return Early(answer)


_SEND = Precondition.SEND  # looked up once: a member costs as much as a call


def _found(hot: hot_answers.HotAnswer, head: Head, observation: Observation) -> EarlyAnswer | None:
    """None where the file vanished since it was looked at."""
    if hot.is_small:
        observation.answered(200, hot.said)
        return EarlyAnswer(hot.ready.found(head))
    try:
        opened = hot.local.opened()
    except OSError:
        return None
    return EarlyAnswer(hot.ready.found(head), FileToSend(opened, hot.bytes, partial(_sent, observation, hot)))


def _sent(observation: Observation, hot: hot_answers.HotAnswer, all_sent: bool) -> None:
    observation.answered(200 if all_sent else CLIENT_LEFT, hot.said)


def _router_pattern(form: public_paths.Form) -> str:
    """A name's route leaves bare numbers to whoever has the library, and says itself why it refuses other names. A path that
    begins with a key is told from all others by what comes behind it.
    """
    if isinstance(form, public_paths.KeyedForm):
        return form.bounded(named=True)
    if not isinstance(form, public_paths.NameForm):
        return form.pattern
    numbered = f"(?:{'|'.join(public_paths.NUMBERED_KINDS)})/[0-9]+/"
    any_kind = f"{{kind:(?!{numbered})[^/]+}}"
    return form.path(kind=any_kind, id="{id:[^/]+}", role="{role:[^/]+}", file="{file:[^/]+}")


async def _answer(form: public_paths.Form, request: web.Request) -> web.StreamResponse:
    """What is stored, or will be; else what stands for it."""
    proxy = request.app[PROXY]
    if isinstance(form, public_paths.KeyedForm):
        proxy.check_key(request.match_info["key"])
        return await _answer_keyed(request, proxy)
    is_open = isinstance(form, public_paths.FileForm) and form.is_open
    signed = not is_open and proxy.signatures.required and _check_signature(request, proxy.signatures)
    asked = _parse(form, request, proxy, signed=signed)
    if wanted.is_private(asked):
        _check_signature(request, proxy.private_signatures)
    try:
        return await _deliver(asked, request, proxy)
    except NotYet as not_yet:
        return await proxy.answers.instead(asked, not_yet, request)


async def _answer_keyed(request: web.Request, proxy: Proxy) -> web.StreamResponse:
    """By the name that shows something already; else by the first for which something is found."""
    _key, *said = request.match_info.values()
    alternatives = list(wanted.by_key(*said))
    stored = [asked for asked in alternatives if await proxy.delivery.known(asked.name)]
    *others, last = stored[:1] or alternatives
    for asked in others:
        try:
            return await _deliver(asked, request, proxy)
        except NotYet as not_yet:
            return await proxy.answers.instead(asked, not_yet, request)
        except Problem as problem:
            if problem.status != HTTPStatus.NOT_FOUND:
                raise
    try:
        return await _deliver(last, request, proxy)
    except NotYet as not_yet:
        return await proxy.answers.instead(last, not_yet, request)


async def _check_of_key(request: web.Request) -> web.StreamResponse:
    """Whether a key opens the paths that have one."""
    request.app[PROXY].check_key(request.match_info["key"])
    return web.json_response({"valid": True}, headers={"Cache-Control": NO_STORE})


def _parse(form: public_paths.Form, request: web.Request, proxy: Proxy, *, signed: bool) -> wanted.Asked:
    """Raise Problem for what no picture is asked for with."""
    given, url = tuple(request.match_info.values()), request.rel_url
    match form:
        case public_paths.SourceForm():
            try:
                return wanted.by_source_url(url, proxy.welcome(request), proxy.rules, signed=signed)
            except wanted.NoPlainUrl:
                proxy.delivery.refused(RefusalReason.URL)
                raise
        case public_paths.TmdbForm():
            size, file = given
            base, welcome = proxy.settings.tmdb_image_url, proxy.welcome(request)
            return wanted.by_tmdb_path(size, file, base, welcome, proxy.rules, signed=signed)
        case public_paths.StoredForm():
            picture, revision, file = given
            return wanted.by_stored_path(picture, revision, file, signed=signed)
        case public_paths.NameForm():
            kind, id_, role, file = given
            return wanted.by_name(kind, id_, role, file, proxy.welcome(request))
        case public_paths.BareNameForm():
            kind, id_, role = given
            return wanted.by_bare_name(kind, id_, role, proxy.welcome(request))
        case public_paths.FileForm():
            return wanted.by_file(form, given, url)
        case _:
            raise TypeError(f"Nothing reads {form}.")


async def _deliver(asked: wanted.Asked, request: web.Request, proxy: Proxy) -> web.StreamResponse:
    """A file that vanished between finding and sending was switched or purged: look again, a few times."""
    for _ in range(LOOKS):
        answer = await proxy.delivery.deliver(asked, patience_s=proxy.patience_s(request))
        if isinstance(answer, MovedRevision):
            return proxy.answers.moved(answer, request)
        try:
            response = await proxy.answers.picture(asked, answer, request)
        except FileNotFoundError:
            continue
        proxy.use.count(answer.file.picture)
        return response
    raise NotYet("The picture changes faster than it can be sent.")


def _check_signature(request: web.Request, signatures: Signatures) -> bool:
    """True. Raise Problem where it is not signed."""
    try:
        signatures.check(request.rel_url, now_s=time.time())
    except BadSignature as error:
        raise Problem(HTTPStatus.FORBIDDEN, str(error)) from None
    if expiry := request.rel_url.query.get(EXPIRY):
        request[hot_answers.VALID_UNTIL_S] = float(expiry)
    return True

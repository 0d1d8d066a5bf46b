"""The site: pages and forms behind the gate, the files beside them, signing in, and the texts that others may translate."""

import json
import re
import tomllib
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, cached_property
from hashlib import sha256
from http import HTTPStatus
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from pydantic import DirectoryPath, Field

from services.enricher.api import sessions
from services.enricher.api.access import Access, Gate
from services.enricher.api.endpoint import Endpoint, Sent
from shared.http import NO_STORE, Problem, RenderedBody
from shared.settings import ONESHEET_VERSION, Settings
from shared.telemetry import utc_now

if TYPE_CHECKING:
    from jinja2 import Environment

HERE = files(__package__ or __name__)
LANGUAGE = "en"
YEAR = "public, max-age=31536000, immutable"
_MEDIA_TYPES = {"css": "text/css", "js": "text/javascript", "png": "image/png", "svg": "image/svg+xml"}
_LOGO_ENDS = ("svg", "png")
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


@cache
def _written_in(language: str) -> Mapping[str, Mapping[str, str]]:
    return tomllib.loads((HERE / "texts" / f"{language}.toml").read_text(encoding="utf-8"))


class Texts:
    """What pages say, by `section.key`, from one file a language. Raise LookupError for what nobody wrote."""

    def __init__(self, language: str = LANGUAGE) -> None:
        self.language = language
        self.sections = _written_in(language)

    def __call__(self, key: str, **values: object) -> str:
        """A key that ends in `?` has two texts, `one` and `many`, of which `count` decides."""
        section, _, name = key.partition(".")
        if name.endswith("?"):
            name = f"{name[:-1]}_{'one' if values['count'] == 1 else 'many'}"
        return self.sections[section][name].format(**values)

    def span(self, seconds: float | None) -> str:
        """A time in its largest fitting unit."""
        if seconds is None:
            return self("units.unknown")
        for unit, length in (("days", _DAY), ("hours", _HOUR), ("minutes", _MINUTE)):
            if seconds >= 2 * length:
                return self(f"units.{unit}", count=round(seconds / length))
        if seconds and seconds < 1:
            return self("units.milliseconds", count=round(seconds * 1000))
        return self("units.seconds", count=f"{seconds:.3g}")

    def ago(self, at: datetime | str | None) -> str:
        if at is None:
            return self("units.never")
        moment = datetime.fromisoformat(at) if isinstance(at, str) else at
        seconds = (utc_now() - moment).total_seconds()
        return self("units.ago", span=self.span(max(0, round(seconds))))

    def size(self, count: float | None) -> str:
        """Bytes in powers of 1024."""
        if count is None:
            return self("units.unknown")
        for unit in ("B", "KiB", "MiB", "GiB"):
            if abs(count) < 1024 or unit == "GiB":  # noqa: PLR2004 - the power itself
                return f"{count:.0f} {unit}" if unit == "B" else f"{count:.3g} {unit}"
            count /= 1024
        raise AssertionError


class PageSettings(Settings):
    logos: DirectoryPath | None = Field(None, validation_alias="PROVIDER_LOGOS")
    """With files called by a provider's name, `tmdb.svg` or `tmdb.png`: logos are their owners', and none is ours to give away."""


@dataclass(frozen=True, slots=True)
class StaticFile:
    """`tag`: changes whenever the bytes do."""

    body: bytes
    media_type: str
    tag: str

    @classmethod
    def read(cls, file: Traversable) -> "StaticFile":
        body = file.read_bytes()
        tag = urlsafe_b64encode(sha256(body).digest()[:9]).decode()
        return cls(body, _MEDIA_TYPES[file.name.rpartition(".")[2]], tag)


@cache
def static_files() -> Mapping[str, StaticFile]:
    """By name."""
    return {file.name: StaticFile.read(file) for file in (HERE / "static").iterdir()}


def logo_files(directory: Path, providers: Iterable[str]) -> Mapping[str, StaticFile]:
    """By a name that none of ours has. Of a provider the first there is."""
    found = {}
    for provider in providers:
        files_ = (directory / f"{provider}.{end}" for end in _LOGO_ENDS)
        if file := next(filter(Path.is_file, files_), None):
            found[f"logo-{file.name}"] = StaticFile.read(file)
    return found


_OF_PLACE = re.compile(r":[^{}/]*\}", re.ASCII)
"""What a place in a path is held to."""


class OwnApi:
    """The API's endpoints, called without a request: whoever calls has passed the gate."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self._endpoints = {
            (endpoint.method, _OF_PLACE.sub("}", endpoint.path)): endpoint for endpoint in endpoints
        }

    async def ask(self, asked: str, /, **given: object) -> Any:
        """`asked`: `GET /path/{with}/{places}`. A model, or what the JSON says. Raise Problem."""
        return await self._answer(asked, given)

    async def send(self, asked: str, body: bytes, /, **given: object) -> Any:
        """The same with bytes that are no JSON."""
        return await self._answer(asked, given, Sent(body))

    async def if_had(self, asked: str, /, **given: object) -> Any:
        """None where there is a Problem instead."""
        try:
            return await self.ask(asked, **given)
        except Problem:
            return None

    async def _answer(self, asked: str, given: Mapping[str, object], body: Sent | None = None) -> Any:
        method, _, path = asked.partition(" ")
        result = await self._endpoints[method, path].call(given, body)
        return json.loads(result.body) if isinstance(result, RenderedBody) else result


@dataclass(frozen=True, slots=True)
class Sheet:
    """A page: its template, and what it is filled with."""

    template: str
    values: Mapping[str, object] = field(default_factory=dict)
    status: HTTPStatus = HTTPStatus.OK


Showing = Callable[[web.Request], Awaitable[Sheet]]
Doing = Callable[[web.Request, Mapping[str, str]], Awaitable[str]]
"""Does what a form asks for, and says what was done. Raise Problem."""


class Site:
    def __init__(
        self,
        gate: Gate,
        *,
        public_url: str,
        picture_url: str,
        providers: Mapping[str, str],
        settings: PageSettings,
    ) -> None:
        """`public_url`: as we are seen behind a web server; `picture_url`: where pictures are, if elsewhere;
        `providers`: their titles by their names.
        """
        logos = logo_files(settings.logos, providers) if settings.logos else {}
        self._files = {**static_files(), **logos}
        self.texts = Texts()
        self._gate = gate
        self._below = urlsplit(public_url).path
        origins = {
            f"{url.scheme}://{url.netloc}" for url in map(urlsplit, (public_url, picture_url)) if url.netloc
        }
        self._headers = _headers(sorted(origins))
        self._globals = {
            "t": self.texts,
            "logo_of": lambda provider: next(
                (name for name in logos if name.startswith(f"logo-{provider}.")), None
            ),
            "titled": lambda name: providers.get(name, name),
            "version": ONESHEET_VERSION,
            "language": self.texts.language,
            "script_texts": self.texts.sections["script"],
        }

    @cached_property
    def _environment(self) -> "Environment":
        """Of the templates."""
        import jinja2  # noqa: PLC0415 - 2 MB of memory, where somebody looks at a page

        environment = jinja2.Environment(
            loader=jinja2.PackageLoader(__package__ or ""),
            undefined=jinja2.StrictUndefined,
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters.update(span=self.texts.span, ago=self.texts.ago, size=self.texts.size)
        environment.globals.update(self._globals)
        return environment

    def page(self, path: str, show: Showing, who: Access, *, method: str = hdrs.METH_GET) -> web.RouteDef:
        async def answer(request: web.Request) -> web.StreamResponse:
            return self._rendered(request, await show(request))

        return self._guarded(web.route(method, path, answer), who)

    def form(self, path: str, do: Doing, who: Access = Access.ADMIN) -> web.RouteDef:
        """Ends at the page that the form stands on, which tells what was done or why not."""

        async def answer(request: web.Request) -> web.StreamResponse:
            sent = await request.post()
            values = {name: value.strip() for name, value in sent.items() if isinstance(value, str)}
            back = _local(values.pop("back", "/"))
            try:
                said = await do(request, values)
            except Problem as problem:
                said = problem.detail
            response = self._see_other(request, back)
            if self._gate.sessions.of(request):
                _keep(response, request, sessions.NOTE_COOKIE, self._gate.sessions.note(request, said))
            return response

        return self._guarded(web.post(path, answer), who)

    @property
    def routes(self) -> Sequence[web.RouteDef]:
        """Of what is beside the pages."""
        return [
            self._guarded(web.get("/static/{name}", self._static), Access.DESCRIPTION),
            self.page("/login", self._login_page, Access.DESCRIPTION),
            self._guarded(web.post("/login", self._log_in), Access.DESCRIPTION),
            self._guarded(web.post("/logout", self._log_out), Access.DESCRIPTION),
        ]

    def _guarded(self, route: web.RouteDef, who: Access) -> web.RouteDef:
        """For those only who may; others get the form to sign in, or a page with the problem."""
        inner = self._gate.guarded(route, who).handler

        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                response: web.StreamResponse = await inner(request)
            except Problem as problem:
                return self.problem(request, problem)
            return response

        return web.route(route.method, route.path, answer)

    def problem(self, request: web.Request, problem: Problem) -> web.Response:
        """A page that says it; who is not signed in gets the form to do so."""
        if problem.status is HTTPStatus.UNAUTHORIZED:
            reading = request.method == hdrs.METH_GET
            back = request.path_qs if reading else urlsplit(request.headers.get("Referer", "/")).path
            sheet = Sheet("login.html", {"back": back, "problem": None}, problem.status)
        else:
            sheet = Sheet("problem.html", {"problem": problem}, problem.status)
        response = self._rendered(request, sheet)
        response.headers.update(problem.headers)
        return response

    def _rendered(self, request: web.Request, sheet: Sheet) -> web.Response:
        session = self._gate.sessions.of(request)
        message = self._gate.sessions.noted(request) if session and sheet.status is HTTPStatus.OK else ""
        root = self._root(request)
        context = {
            **sheet.values,
            "root": root,
            "here": request.path_qs,
            "at": request.path,
            "session": session,
            "messages": [message] if message else [],
            "static": lambda name: f"{root}/static/{name}?v={self._files[name].tag}",
        }
        text = self._environment.get_template(sheet.template).render(context)
        response = web.Response(text=text, content_type="text/html", status=sheet.status)
        response.headers.update(self._headers)
        if message:
            response.del_cookie(sessions.NOTE_COOKIE, path="/")
        return response

    def _root(self, request: web.Request) -> str:
        """What stands before our paths where a web server shows us below one of its own."""
        return self._below if sessions.came_through(request.headers) else ""

    def _see_other(self, request: web.Request, path: str) -> web.Response:
        headers = {"Location": self._root(request) + path, "Cache-Control": NO_STORE}
        return web.Response(status=HTTPStatus.SEE_OTHER, headers=headers)

    async def _static(self, request: web.Request) -> web.StreamResponse:
        try:
            file = self._files[request.match_info["name"]]
        except KeyError:
            raise web.HTTPNotFound from None
        headers = {
            "ETag": f'"{file.tag}"',
            "Cache-Control": YEAR if request.query.get("v") == file.tag else "no-cache",
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",  # of a drawing by itself
            "X-Content-Type-Options": "nosniff",
        }
        if file.tag in request.headers.get("If-None-Match", ""):
            return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
        charset = None if file.media_type == "image/png" else "utf-8"
        return web.Response(body=file.body, content_type=file.media_type, charset=charset, headers=headers)

    async def _login_page(self, request: web.Request) -> Sheet:
        return Sheet("login.html", {"back": _local(request.query.get("back", "/")), "problem": None})

    async def _log_in(self, request: web.Request) -> web.StreamResponse:
        sent = await request.post()
        token, back = str(sent.get("token", "")).strip(), _local(str(sent.get("back", "/")))
        try:
            key = self._gate.sign_in(request, token)
        except Problem as problem:
            values = {"back": back, "problem": problem.detail}
            return self._rendered(request, Sheet("login.html", values, problem.status))
        response = self._see_other(request, back)
        _keep(response, request, sessions.SESSION_COOKIE, key)
        return response

    async def _log_out(self, request: web.Request) -> web.StreamResponse:
        sessions.check_same_origin(request)
        await self._gate.sign_out(request)
        response = self._see_other(request, "/")
        response.del_cookie(sessions.SESSION_COOKIE, path="/")
        return response


def _keep(response: web.StreamResponse, request: web.Request, cookie: str, value: str) -> None:
    """Have the browser send it with what it asks of our pages."""
    secure = request.headers.get("X-Forwarded-Proto", request.scheme) == "https"
    response.set_cookie(cookie, value, path="/", httponly=True, samesite="Strict", secure=secure)


def _local(path: str) -> str:
    """A path of ours, whatever was sent: nobody is led to another site by a link to ours."""
    parts = urlsplit(path.replace("\\", "/"))
    if parts.scheme or parts.netloc or not path.startswith("/") or path.startswith("//"):
        return "/"
    return path if path.isprintable() else "/"


def _headers(picture_origins: Sequence[str]) -> Mapping[str, str]:
    policy = {
        "default-src": "'none'",
        "img-src": " ".join(("'self'", "data:", *picture_origins)),
        "style-src": "'self'",
        "script-src": "'self'",
        "connect-src": " ".join(("'self'", *picture_origins)),
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Cache-Control": "private, no-cache",
        "Vary": "Cookie",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",  # with none at all, browsers would send no Origin with forms
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    }

"""The site below its pages: texts, addresses, sessions and what pages of others may not do, the last hour, drawn posters."""

import re
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from services.enricher.api.access import Access, AccessSettings, Gate
from services.enricher.api.bearer_tokens import BearerTokens
from services.enricher.api.sessions import (
    ATTEMPTS_AT_MOST,
    NOTE_COOKIE,
    SESSION_COOKIE,
    SESSION_LASTS_S,
    Sessions,
)
from services.enricher.pages import site
from services.enricher.pages.demo import demo_titles
from services.enricher.pages.gallery import WallQuery
from services.enricher.pages.history import History, Plot, quantile_of
from services.enricher.pages.operations import ACTIONS
from shared.contracts import Envelope, LaneWork, Message, ServiceStats
from shared.http import Problem
from shared.pictures import Role
from shared.queue import QueueUnavailable
from shared.telemetry import Metrics

PAGES = Path(site.__file__).parent


# --- texts


def test_every_text_that_is_asked_for_is_written_and_every_written_one_is_asked_for() -> None:
    sources = "".join(file.read_text() for file in (*PAGES.glob("templates/*"), *PAGES.glob("*.py")))
    written = {f"{section}.{key}" for section, texts in site.Texts().sections.items() for key in texts}
    asked = set()
    for key in re.findall(r'(?:\bt|texts)\("([a-z]+\.[a-z_]+\??)"(?! ~)', sources):
        asked |= {f"{key[:-1]}_one", f"{key[:-1]}_many"} if key.endswith("?") else {key}
    begun = re.findall(r'(?:\bt)\("([a-z]+\.[a-z_]*)" ~', sources)
    asked |= {key for key in written for beginning in begun if key.startswith(beginning)}
    asked |= {action.said for action in ACTIONS.values()}
    scripts = (PAGES / "static" / "onesheet.js").read_text()
    asked |= {f"script.{key}" for key in re.findall(r"TEXTS\.(\w+)", scripts)}
    asked |= {key for key in written if key.startswith("units.")}
    assert written == asked


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0, "0 s"),
        (0.25, "250 ms"),
        (90, "90 s"),
        (150, "2 min"),
        (8000, "2 h"),
        (200_000, "2 d"),
    ],
)
def test_times_are_told_in_their_largest_fitting_unit(seconds: float | None, text: str) -> None:
    assert site.Texts().span(seconds) == text


def test_one_and_many_are_told_apart() -> None:
    texts = site.Texts()
    assert texts("wall.titles?", count=1) == "1 title"
    assert texts("wall.titles?", count=2) == "2 titles"


def test_no_page_has_a_script_or_a_style_within_it() -> None:
    for file in PAGES.glob("templates/*"):
        assert not re.search(
            r"<style|\sstyle=|\son[a-z]+=|<script(?! type=\"module\" src=)", file.read_text()
        ), file


# --- addresses


@pytest.mark.parametrize(
    ("given", "back"),
    [
        ("/ops?lane=x#dead", "/ops?lane=x#dead"),
        ("https://elsewhere.example/", "/"),
        ("//elsewhere.example/", "/"),
        ("/\\elsewhere.example", "/"),
        ("ops", "/"),
        ("/a\r\nb", "/"),
        ("", "/"),
    ],
)
def test_a_form_leads_back_to_our_own_pages_only(given: str, back: str) -> None:
    assert site._local(given) == back


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ({}, "/"),
        ({"q": " the ", "type": "tv", "sort": "year", "page": "3"}, "/?q=the&type=tv&sort=year&page=3"),
        ({"type": "radio", "sort": "best", "page": "-1"}, "/"),
        ({"page": "99999999999999"}, "/"),
    ],
)
def test_an_address_of_the_wall_is_read_as_far_as_it_makes_sense(query: dict[str, str], path: str) -> None:
    assert WallQuery.of(query).path() == path


# --- sessions

OURS = {"Host": "localhost:8080", "Origin": "http://localhost:8080"}


def asked(method: str, cookie: str = "", **headers: str) -> web.Request:
    sent = {"Host": "localhost:8080", "Cookie": f"{SESSION_COOKIE}={cookie}", **headers}
    return make_mocked_request(method, "/", {name.replace("_", "-"): value for name, value in sent.items()})


@pytest.fixture
def gate() -> Gate:
    return Gate(BearerTokens("admin", ("reader",)), AccessSettings(api_tokens=("reader",)))


@pytest.mark.parametrize(("token", "admin"), [("admin", True), ("reader", False)])
def test_a_session_may_what_its_token_may(gate: Gate, token: str, admin: bool) -> None:
    key = gate.sign_in(asked("POST", **OURS), token)
    gate.check(asked("GET", key), Access.LISTS)
    if admin:
        gate.check(asked("GET", key), Access.ADMIN)
    else:
        with pytest.raises(Problem):
            gate.check(asked("GET", key), Access.ADMIN)
    gate.sessions.end(asked("POST", key))
    with pytest.raises(Problem):
        gate.check(asked("GET", key), Access.LISTS)


@pytest.mark.parametrize(
    ("headers", "welcome"),
    [
        ({"Sec_Fetch_Site": "same-origin"}, True),
        ({"Sec_Fetch_Site": "same-site"}, False),
        ({"Sec_Fetch_Site": "cross-site", "Origin": "http://localhost:8080"}, False),
        ({"Origin": "http://localhost:8080"}, True),
        ({"Origin": "https://pictures.example", "X_Forwarded_Host": "pictures.example"}, True),
        ({"Origin": "http://localhost:9090"}, False),
        ({"Origin": "null"}, False),
        ({}, False),
    ],
)
def test_what_changes_something_comes_from_our_own_pages_or_not_at_all(
    gate: Gate, headers: dict[str, str], welcome: bool
) -> None:
    key = gate.sign_in(asked("POST", **OURS), "admin")
    request = asked("POST", key, **headers)
    if welcome:
        gate.check(request, Access.ADMIN)
    else:
        with pytest.raises(Problem) as refused:
            gate.check(request, Access.ADMIN)
        assert refused.value.status == 403


def test_sessions_end_by_themselves() -> None:
    now = 0.0
    sessions = Sessions(clock=lambda: now)
    key = sessions.begin(is_admin=True)
    now = SESSION_LASTS_S - 1
    assert sessions.of(asked("GET", key))
    now = SESSION_LASTS_S + 1
    assert sessions.of(asked("GET", key)) is None


def test_a_session_counts_at_every_process_that_has_the_same_tokens_until_it_is_over() -> None:
    now = 1_000_000.0
    key = BearerTokens("admin").session_key
    begun, elsewhere = (Sessions(key=key, now=lambda: now) for _ in range(2))
    other = Sessions(key=BearerTokens("another").session_key, now=lambda: now)
    for is_admin in (True, False):
        cookie = begun.begin(is_admin=is_admin)
        session = elsewhere.of(asked("GET", cookie))
        assert session
        assert session.is_admin is is_admin
        assert other.of(asked("GET", cookie)) is None
        forged = cookie.replace(".0.", ".1.") if not is_admin else cookie[:-1]
        assert elsewhere.of(asked("GET", forged)) is None
    elsewhere.end(asked("POST", cookie))
    assert elsewhere.of(asked("GET", cookie)) is None
    cookie = begun.begin(is_admin=True)
    assert elsewhere.of(asked("GET", cookie))
    now += SESSION_LASTS_S + 1
    assert elsewhere.of(asked("GET", cookie)) is None


async def test_whoever_signs_out_at_one_process_has_no_session_at_any() -> None:
    gates: list[Gate] = []

    async def tell(event: Message) -> None:
        for one in gates:
            await one.hear(Envelope.of(event, trace_id="a"))

    gates += [Gate(BearerTokens("admin"), AccessSettings(), tell=tell) for _ in range(3)]
    cookie, another = (gates[0].sign_in(asked("POST", **OURS), "admin") for _ in range(2))
    assert gates[1].sessions.of(asked("GET", cookie))
    await gates[2].sign_out(asked("POST", cookie))
    assert [one.sessions.of(asked("GET", cookie)) for one in gates] == [None] * 3
    assert all(one.sessions.of(asked("GET", another)) for one in gates)


async def test_without_a_broker_whoever_signs_out_has_no_session_where_they_did() -> None:
    async def tell(_event: Message) -> None:
        raise QueueUnavailable("no broker")

    gate = Gate(BearerTokens("admin"), AccessSettings(), tell=tell)
    cookie = gate.sign_in(asked("POST", **OURS), "admin")
    await gate.sign_out(asked("POST", cookie))
    assert gate.sessions.of(asked("GET", cookie)) is None


def test_a_note_of_what_was_done_is_read_at_every_process_and_in_its_session_alone() -> None:
    key = BearerTokens("admin").session_key
    begun, elsewhere = Sessions(key=key), Sessions(key=key)
    cookie, another = begun.begin(is_admin=True), begun.begin(is_admin=True)
    note = begun.note(asked("POST", cookie), "Purgé: 3.")

    def read(who: Sessions, cookie: str, note: str) -> str:
        return who.noted(asked("GET", Cookie=f"{SESSION_COOKIE}={cookie}; {NOTE_COOKIE}={note}"))

    assert [read(who, cookie, note) for who in (begun, elsewhere)] == ["Purgé: 3."] * 2
    assert [read(elsewhere, *one) for one in ((another, note), (cookie, note[:-1]), (cookie, ""))] == [""] * 3
    assert read(Sessions(), cookie, note) == ""
    long = begun.note(asked("POST", cookie), "é" * 10_000)
    assert 500 < len(read(elsewhere, cookie, long)) < len(long) < 3500


def test_whoever_guesses_is_not_listened_to_any_more(gate: Gate) -> None:
    for _ in range(ATTEMPTS_AT_MOST):
        with pytest.raises(Problem) as refused:
            gate.sign_in(asked("POST", **OURS), "guess")
        assert refused.value.status == 403
    with pytest.raises(Problem) as refused:
        gate.sign_in(asked("POST", **OURS), "admin")
    assert refused.value.status == 429


# --- the last hour

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


def told(**given: object) -> ServiceStats:
    usual: dict[str, object] = {"service": "proxy", "instance": "one", "during_s": 5, "lanes": {}}
    return ServiceStats.model_validate(usual | given)


def test_what_services_tell_is_summed_by_the_minute_and_forgotten_after_an_hour() -> None:
    now = NOON
    history = History(now=lambda: now)
    history.hear(
        told(lanes={"catalog": LaneWork(jobs=30, oldest_s=0)}, counted={"served": {"hit": 3, "miss": 1}})
    )
    now += timedelta(minutes=1)
    history.hear(told(counted={"served": {"hit by nginx": 6}, "unheard of": {"x": 1}}))
    assert history.hit_ratio == 0.9
    assert history.jobs("catalog").last == 0.5
    assert history.rate("served").last == pytest.approx(4 / 60)
    now += timedelta(minutes=58, seconds=59)
    assert history.jobs("catalog").most == 0.5
    now += timedelta(minutes=1)
    assert history.jobs("catalog").most == 0
    assert history.total("served") == {"hit by nginx": 6}


def test_who_waits_is_counted_over_all_processes_that_were_heard_of_lately() -> None:
    now = NOON
    history = History(now=lambda: now)
    history.hear(told(waiting=2))
    history.hear(told(waiting=3, instance="two"))
    history.hear(told(waiting=1))
    assert history.waiting == 4
    now += timedelta(seconds=20)
    assert history.waiting == 0


@pytest.mark.parametrize(
    ("counts", "quantile", "seconds"),
    [
        ({}, 0.5, None),
        ({"0.5": 10}, 0.5, 0.25),
        ({"0.5": 50, "1.0": 50}, 0.95, 0.95),
        ({"1.0": 1, "+Inf": 99}, 0.99, 1.0),
    ],
)
def test_a_quantile_lies_within_its_bounds(
    counts: dict[str, int], quantile: float, seconds: float | None
) -> None:
    found = quantile_of(counts, quantile)
    assert found == (seconds if seconds is None else pytest.approx(seconds))


def test_a_plot_fits_its_frame() -> None:
    plot = Plot.of([0, 4, 2])
    assert (plot.most, plot.last) == (4, 2)
    assert plot.line == "M0.0 58.0L150.0 2.0L300.0 30.0"
    assert Plot.of([]).most == 0


def test_a_process_tells_what_it_counted_since_it_told_the_last_time() -> None:
    metrics = Metrics()
    metrics.served("hit").inc(3)
    metrics.failures.labels("gone").inc()
    metrics.first_picture_seconds.labels("miss").observe(0.3)
    metrics.first_picture_seconds.labels("late").observe(5)
    expected = {"served": {"hit": 3.0}, "failures": {"gone": 1.0}, "first_picture": {"0.5": 1.0}}
    assert metrics.counted_since_last() == expected
    metrics.served("hit").inc()
    assert metrics.counted_since_last() == {"served": {"hit": 1.0}}


# --- the demo library


def test_the_demo_library_has_two_dozen_titles_each_with_a_poster_of_its_own() -> None:
    titles = demo_titles()
    assert len({one.imdb_id for one in titles}) == len(titles) == 24
    posters = [one.picture() for one in titles]
    assert len(set(posters)) == 24
    for one in titles:
        for role in (Role.POSTER, Role.FANART, Role.LOGO, Role.STILL, Role.PROFILE):
            assert ET.fromstring(one.picture(role)).tag.endswith("svg")
    assert posters == [one.picture() for one in titles]

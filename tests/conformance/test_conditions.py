"""Preconditions by RFC 9110, section 13: the same decision for every form, size of file and server."""

from dataclasses import dataclass
from email.utils import formatdate

import pytest

from tests.conformance.servers import Servers
from tests.conformance.subjects import BY_NAME, FORMS
from tests.conformance.test_stored import WEBP, etag_of
from tests.conformance.world import World

OTHER = '"0-0"'


@dataclass(frozen=True)
class Known:
    """What a client may know of the file."""

    etag: str
    modified_s: int

    def header(self, text: str) -> str:
        """The text with the names of what is known filled in; dates are shifted by seconds."""
        date, sooner, later = (
            formatdate(self.modified_s + shift_s, usegmt=True) for shift_s in (0, -3600, 3600)
        )
        return text.format(tag=self.etag, date=date, sooner=sooner, later=later)


CASES = [
    ({"If-None-Match": "{tag}"}, 304),
    ({"If-None-Match": "W/{tag}"}, 304),
    ({"If-None-Match": f"{OTHER}, {{tag}}"}, 304),
    ({"If-None-Match": f"W/{OTHER},W/{{tag}} ,{OTHER}"}, 304),
    ({"If-None-Match": "*"}, 304),
    ({"If-None-Match": OTHER}, 200),
    ({"If-None-Match": "nonsense"}, 200),
    ({"If-Modified-Since": "{date}"}, 304),
    ({"If-Modified-Since": "{later}"}, 304),
    ({"If-Modified-Since": "{sooner}"}, 200),
    ({"If-Modified-Since": "nonsense"}, 200),
    ({"If-None-Match": "{tag}", "If-Modified-Since": "{date}"}, 304),  # as browsers ask
    ({"If-None-Match": OTHER, "If-Modified-Since": "{date}"}, 200),  # the tag counts, not the date
    ({"If-None-Match": "{tag}", "If-Modified-Since": "{sooner}"}, 304),
    ({"If-Match": "{tag}"}, 200),
    ({"If-Match": f"{OTHER}, {{tag}}"}, 200),
    ({"If-Match": "*"}, 200),
    ({"If-Match": OTHER}, 412),
    ({"If-Match": "W/{tag}"}, 412),  # strong comparison
    ({"If-Unmodified-Since": "{date}"}, 200),
    ({"If-Unmodified-Since": "{later}"}, 200),
    ({"If-Unmodified-Since": "{sooner}"}, 412),
    ({"If-Unmodified-Since": "nonsense"}, 200),
    ({"If-Match": "{tag}", "If-Unmodified-Since": "{sooner}"}, 200),  # the tag counts, not the date
    ({"If-Match": "{tag}", "If-None-Match": "{tag}"}, 304),
    ({"If-Match": OTHER, "If-None-Match": "{tag}"}, 412),
    ({"If-Unmodified-Since": "{sooner}", "If-Modified-Since": "{date}"}, 412),
]


ONLY_ITS_OWN_DATE = {"If-Modified-Since": "{later}"}
"""By name: it may go back to an older picture, whose date is before that of the one a client has."""


@pytest.mark.parametrize(("conditions", "status"), CASES)
@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
@pytest.mark.parametrize("form", FORMS)
async def test_a_precondition(
    world: World, servers: Servers, form: str, conditions: dict[str, str], status: int, *, large: bool
) -> None:
    stored = await world.stored("w342.webp", large=large)
    target = stored.target(form, "w342.webp")
    known = Known(*etag_of(world, stored, "w342.webp"))
    headers = {name: known.header(text) for name, text in conditions.items()}
    if form == BY_NAME and conditions == ONLY_ITS_OWN_DATE:
        status = 200
    for method in ("GET", "HEAD"):
        answer = await servers.ask(target, WEBP | headers, method=method)
        assert answer.status == status
        if status == 200:
            assert answer.body == (stored.files["w342.webp"] if method == "GET" else b"")
        elif status == 304:
            assert answer.body == b""
            assert answer.headers["ETag"] == known.etag
            assert {"Cache-Control", "Last-Modified"} <= set(answer.headers)
            assert not {"Content-Type", "Content-Length"} & set(answer.headers)
        elif method == "GET":
            assert answer.problem["status"] == 412

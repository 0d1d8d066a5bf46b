import pytest

from services.fetcher.download.policy import Policy, report
from services.fetcher.errors import DownloadRefused
from shared.http.addresses import AddressPolicy
from shared.pictures import HostRules, RefusalReason, SourceUrl
from shared.telemetry import MAX_FIELD, Metrics

MAX_REDIRECTS = 10
POLICY = Policy(HostRules.of(["*"]), AddressPolicy(()), max_redirects=MAX_REDIRECTS)


@pytest.mark.parametrize(
    ("source", "location"),
    [
        ("https://a.example/x", "http://a.example/y"),
        ("https://a.example/x", "http://b.example/y"),
        ("https://a.example/x", "HTTP://a.example:443/y"),
    ],
)
def test_no_redirect_leads_down_from_https_to_http(source: str, location: str) -> None:
    with pytest.raises(DownloadRefused) as refused:
        POLICY.redirected(SourceUrl.parse(source), location, 1)
    assert refused.value.rule is RefusalReason.DOWNGRADE


@pytest.mark.parametrize(
    ("source", "location", "target"),
    [
        ("http://a.example/x", "https://a.example/y", "https://a.example/y"),
        ("https://a.example/x", "//b.example/y", "https://b.example/y"),
        ("http://a.example/x", "y", "http://a.example/y"),
    ],
)
def test_any_other_is_followed_as_often_as_the_setting_says(source: str, location: str, target: str) -> None:
    assert str(POLICY.redirected(SourceUrl.parse(source), location, MAX_REDIRECTS)) == target
    with pytest.raises(DownloadRefused):
        POLICY.redirected(SourceUrl.parse(source), location, MAX_REDIRECTS + 1)


@pytest.mark.parametrize("rule", RefusalReason)
def test_operators_see_every_refusal_in_a_bounded_line(
    rule: RefusalReason, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = Metrics()
    report(
        DownloadRefused(rule, "http://a.example/\udcff" + "x" * 9000, "no"),
        SourceUrl.parse("http://b.example"),
        metrics,
    )
    assert metrics.registry.get_sample_value("onesheet_refusals_total", {"rule": rule}) == 1
    said = capsys.readouterr().out
    assert rule in said
    assert "http://a.example/" in said
    assert "http://b.example" in said
    assert len(said) < MAX_FIELD + 500


@pytest.mark.parametrize(
    "location", ["http://user:secret@a.example/x", "//user:secret@a.example", "http://a@b:secret@c.example/"]
)
def test_the_line_tells_no_password_of_a_redirect(location: str, capsys: pytest.CaptureFixture[str]) -> None:
    source = SourceUrl.parse("http://b.example/")
    with pytest.raises(DownloadRefused) as refused:
        POLICY.redirected(source, location, 1)
    report(refused.value, source, Metrics())
    assert "secret" not in capsys.readouterr().out

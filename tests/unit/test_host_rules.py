import pytest

from shared.pictures import HostRules, RefusalReason, SourceUrl, picture_host

CASES = [
    ("a.example", "http://a.example/x", True),
    ("a.example", "https://a.example/x", True),
    ("A.Example ", "http://a.EXAMPLE/x", True),
    ("a.example", "http://a.example:8080/x", False),
    ("a.example:8080", "http://a.example:8080/x", True),
    ("a.example:8080", "http://a.example/x", False),
    ("a.example", "https://a.example:80/x", False),
    ("a.example", "http://b.a.example/x", False),
    ("a.example", "http://a.example.evil/x", False),
    ("a.example", "http://evil-a.example/x", False),
    ("*.a.example", "http://b.a.example/x", True),
    ("*.a.example", "http://c.b.a.example/x", True),
    ("*.a.example", "http://a.example/x", False),
    ("*.a.example", "http://ba.example/x", False),
    ("*.a.example", "http://b.a.example:8080/x", False),
    ("*.a.example:8080", "http://b.a.example:8080/x", True),
    ("*", "http://anything.example/x", True),
    ("*", "http://192.0.2.1/x", True),
    ("*", "http://anything.example:8080/x", False),
    ("*:8080", "http://anything.example:8080/x", True),
    ("192.0.2.1", "http://192.0.2.1/x", True),
    ("xn--bcher-kva.example", "http://bücher.example/x", True),
    ("bücher.example", "http://xn--bcher-kva.example/x", True),
    ("a.example:443", "https://a.example/x", True),
    ("a.example:443", "http://a.example:443/x", True),
    ("a.example:443", "http://a.example/x", False),
    ("[2001:db8::7]", "http://[2001:db8::7]/x", True),
    ("[2001:db8::7]:8080", "http://[2001:db8::7]:8080/x", True),
    ("[2001:db8::7]:8080", "http://[2001:db8::7:8080]/x", False),
    ("", "http://a.example/x", False),
]


@pytest.mark.parametrize(("rule", "url", "allowed"), CASES)
def test_a_rule_allows_what_it_says_and_nothing_beside_it(rule: str, url: str, allowed: bool) -> None:
    assert HostRules.of([rule]).allow(SourceUrl.parse(url)) is allowed


@pytest.mark.parametrize(
    "rule",
    [
        "a example",
        "http://a.example",
        "a.example/x",
        "a.example:x",
        "user@a.example",
        "*a",
        "127.1",
        "*.",
        "a.",
    ],
)
def test_a_rule_that_is_none_is_refused(rule: str) -> None:
    with pytest.raises(ValueError, match="is no host"):
        HostRules.of([rule])


@pytest.mark.parametrize(
    ("url", "broken"),
    [
        ("http://a.example/", None),
        ("http://a.example:8080/", RefusalReason.PORT),
        ("https://a.example:80/", RefusalReason.PORT),
        ("http://c.example/", RefusalReason.HOST),
        ("http://b.example/", RefusalReason.HOST),
    ],
)
def test_a_refusal_says_whether_it_is_the_host_or_only_its_port(
    url: str, broken: RefusalReason | None
) -> None:
    rules = HostRules.of(["a.example", "b.example:8080"])
    assert rules.refusal(SourceUrl.parse(url)) is broken


def test_one_of_several_rules_is_enough() -> None:
    rules = HostRules.of(["a.example", "*.b.example"])
    assert rules.allow(SourceUrl.parse("http://x.b.example/"))
    assert not rules.allow(SourceUrl.parse("http://c.example/"))


def test_trakt_is_never_linked_to_and_never_refreshed() -> None:
    for host in ("walter.trakt.tv", "walter-r2.trakt.tv", "media.trakt.tv"):
        known = picture_host(host)
        assert known is not None
        assert not known.may_redirect
        assert known.immutable


def test_an_unknown_host_has_no_policy() -> None:
    assert picture_host("a.example") is None

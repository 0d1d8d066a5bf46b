import hashlib
from string import ascii_lowercase, digits

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from shared.pictures import HostRules, SourceUrl
from shared.pictures.source import MAX_LENGTH

LABELS = st.text(ascii_lowercase + digits, min_size=1, max_size=12)
HOSTS = st.lists(LABELS, min_size=1, max_size=4).map(lambda labels: ".".join([*labels, "example"]))
PATHS = st.text(ascii_lowercase + digits + "/-._~%20+&=?", max_size=40).map("/{}".format)
URLS = st.builds("{}://{}{}".format, st.sampled_from(["http", "https"]), HOSTS, PATHS)

ACCEPTED = {
    "https://image.tmdb.org/t/p/original/a.jpg": ("image.tmdb.org", 443),
    "http://a.example": ("a.example", 80),
    "HTTP://A.Example/X.jpg": ("a.example", 80),
    "https://a.example:443/x": ("a.example", 443),
    "https://a.example:8443/x": ("a.example", 8443),
    "http://a.example:/x": ("a.example", 80),
    "http://a_b.example/x": ("a_b.example", 80),
    "http://-a.example/x": ("-a.example", 80),
    "http://127.0.0.1/x": ("127.0.0.1", 80),
    "http://①②⑦.0.0.1/x": ("127.0.0.1", 80),
    "http://127。0。0。1/x": ("127.0.0.1", 80),
    "http://[0:0:0:0:0:FFFF:127.0.0.1]/x": ("::ffff:7f00:1", 80),
    "http://LOCALHOST/x": ("localhost", 80),
    "http://faß.example/x": ("xn--fa-hia.example", 80),
    "http://a.example:0080/x": ("a.example", 80),
    "http://192.0.2.7:8080/x": ("192.0.2.7", 8080),
    "http://[2001:db8::7]:8080/x": ("2001:db8::7", 8080),
    "http://[::ffff:127.0.0.1]/x": ("::ffff:7f00:1", 80),
    "http://bücher.example/x": ("xn--bcher-kva.example", 80),
    "http://BÜCHER.example/x": ("xn--bcher-kva.example", 80),
    "http://xn--bcher-kva.example/x": ("xn--bcher-kva.example", 80),
    "http://ａ.example/x": ("a.example", 80),  # noqa: RUF001 - full width, which IDNA maps
    "http://a.example/ü?ö=ä": ("a.example", 80),
    "http://a.example/a b": ("a.example", 80),
    "http://a.example/x%": ("a.example", 80),
    "http://a.example/x#part": ("a.example", 80),
    "http://a.example?@b.example/": ("a.example", 80),
    "http://a.example#@b.example/": ("a.example", 80),
    "http://a.example/\\..\\x": ("a.example", 80),
    "http://a.example/?url=http://b.example/": ("a.example", 80),
}

REFUSED = {
    "": "empty",
    "x" * 10: "http",
    "a.example/x.jpg": "http",
    "//a.example/x.jpg": "http",
    "ftp://a.example/x.jpg": "http",
    "file:///etc/passwd": "http",
    "javascript:alert(1)": "http",
    "data:image/png;base64,AAAA": "http",
    "upload:0123456789abcdef": "http",
    "http:a.example/x": "no host",
    "http:/a.example/x": "no host",
    "http:///x": "no host",
    "http://": "no host",
    "http:\\\\a.example\\x": "no host",
    "http://a.example:0/x": "no host",
    "http://[::1]@": "read",  # the parser raises IndexError
    "http://user@a.example/": "password",
    "http://user:secret@a.example/": "password",
    "http://:secret@a.example/": "password",
    "http://:@a.example/": "password",
    "http://a.example:65536/": "cannot be read",
    "http://a.example:http/": "cannot be read",
    "http://a.example:80:80/": "cannot be read",
    "http://a.example:-1/": "cannot be read",
    "http://[::1": "cannot be read",
    "http://a.example\\@b.example/": "cannot be read",
    "http://℀.example/": "cannot be read",
    " http://a.example/": "white space",
    "http://a.example/\n": "white space",
    "http://a.example/\r\nHost: b.example": "control characters",
    "http://a.example/\x00": "control characters",
    "http://a.example/\u202e.jpg": "control characters",
    "http://a.example/\ud800": "control characters",
    "http://a b.example/": "host",
    "http://a.example%2fb/": "host",
    "http://a.example%40b.example/": "host",
    'http://a".example/': "host",
    "http://a<b>.example/": "host",
    "http://a.example;b/": "host",
    "http://a.example,b.example/": "host",
    "http://[fe80::1%25eth0]/": "host",
    f"http://{'a.' * 130}example/": "host",
    f"http://{'a' * 64}.example/": "host",
    "http://a.example./": "host",
    "http://a.example。/": "host",
    "http://a..example/": "host",
    "http://.a.example/": "host",
    "http://127.0.0.1./": "host",
    "http://127.1/": "host",
    "http://127.0.1/": "host",
    "http://0177.0.0.1/": "host",
    "http://127.0.0.0x1/": "host",
    "http://0x7f000001/": "host",
    "http://2130706433/": "host",
    "http://0/": "host",
    "http://127.0.0.256/": "host",
    "http://127.0.0.1.1/": "host",
    "http://127%2e0%2e0%2e1/": "host",
    "http://a.0x/": "host",
    "http://[127.0.0.1]/": "cannot be read",
    "http://[::1].example/": "cannot be read",
    "http://[::1%lo]/": "host",
    "http://loc\u00adalhost/": "control characters",
    f"http://a.example/{'x' * MAX_LENGTH}": "longer",
}


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("http://a.example/x%2Cy%3A%40%28%29%27%21", "/x%2Cy%3A%40%28%29%27%21"),
        ("http://a.example/x,y:@()'!*;$&+=~-._", "/x,y:@()'!*;$&+=~-._"),
        ("http://a.example/%7euser/%c3%bc", "/%7euser/%c3%bc"),
        ("http://a.example/p?sig=a%2Fb%2B%3D%3D&%24x$=1,2/3?", "/p?sig=a%2Fb%2B%3D%3D&%24x$=1,2/3?"),
        ("http://a.example/100%/%zz", "/100%/%zz"),
        ("http://a.example//x/../y/./", "//x/../y/./"),
        ("http://a.example", "/"),
        ("http://a.example?x", "/?x"),
        ("http://a.example/x?", "/x?"),
        ("http://a.example/x#y?z", "/x"),
        ('http://a.example/ü "x\\<>', "/%C3%BC%20%22x%5C%3C%3E"),
        ("http://a.example/[1]|", "/[1]|"),
    ],
)
def test_what_is_asked_for_is_what_was_given_byte_for_byte(text: str, asked: str) -> None:
    assert SourceUrl.parse(text).url.raw_path_qs == asked


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/y%2Cz?a=%2F", "https://a.example:8443/y%2Cz?a=%2F"),
        ("z%3Ay", "https://a.example:8443/x/z%3Ay"),
        ("../up?q=../x", "https://a.example:8443/up?q=../x"),
        ("./", "https://a.example:8443/x/"),
        ("?q=1", "https://a.example:8443/x/y%2F?q=1"),
        ("//b.example/%28", "https://b.example/%28"),
        ("https://b.example/a/../b#c", "https://b.example/a/../b"),
        ("/caf\udce9/ü b", "https://a.example:8443/caf%E9/%C3%BC%20b"),
    ],
)
def test_a_redirect_leads_where_its_bytes_say(location: str, target: str) -> None:
    redirected = SourceUrl.parse("https://a.example:8443/x/y%2F?z").redirected(location)
    assert str(redirected.url) == target


def test_a_rule_bounds_the_length_of_what_clients_give() -> None:
    rules = HostRules.of(["*"], longest_url=300)
    assert rules.source("http://a.example/" + "x" * 283)
    with pytest.raises(ValueError, match="300 characters"):
        rules.source("http://a.example/" + "x" * 284)


@pytest.mark.parametrize(("text", "meaning"), ACCEPTED.items())
def test_a_web_address_is_read_as_the_downloader_will_dial_it(text: str, meaning: tuple[str, int]) -> None:
    source = SourceUrl.parse(text)
    assert (source.host, source.port) == meaning
    assert str(source) == text


@pytest.mark.parametrize(("text", "reason"), REFUSED.items())
def test_anything_else_is_refused_with_a_sentence(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        SourceUrl.parse(text)


@given(st.text(max_size=60) | st.text(max_size=60).map("http://{}".format))
def test_no_text_at_all_ends_in_anything_but_a_source_or_a_refusal(text: str) -> None:
    try:
        source = SourceUrl.parse(text)
    except ValueError:
        return
    assert str(source) == text
    assert source.picture
    assert not set(source.authority) & set(" /?#@\\\"'<>%")


@given(URLS)
def test_the_picture_id_is_of_the_exact_string(text: str) -> None:
    assert SourceUrl.parse(text).picture == hashlib.sha256(text.encode()).hexdigest()[:32]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://a.example/x", "http://A.example/x"),
        ("http://a.example", "http://a.example/"),
        ("http://a.example/x", "http://a.example:80/x"),
        ("http://a.example/%7Ex", "http://a.example/~x"),
        ("http://a.example/?a=1&b=2", "http://a.example/?b=2&a=1"),
    ],
)
def test_what_is_written_differently_is_another_picture(one: str, other: str) -> None:
    assert SourceUrl.parse(one) != SourceUrl.parse(other)
    assert SourceUrl.parse(one).picture != SourceUrl.parse(other).picture


@pytest.mark.parametrize(
    ("text", "authority"),
    [
        ("https://a.example/x", "a.example"),
        ("https://a.example:443/x", "a.example"),
        ("http://a.example:443/x", "a.example:443"),
        ("http://a.example:8080/x", "a.example:8080"),
        ("http://[2001:db8::7]/x", "[2001:db8::7]"),
        ("http://[2001:db8::7]:8080/x", "[2001:db8::7]:8080"),
    ],
)
def test_the_authority_names_the_port_where_it_is_not_the_usual(text: str, authority: str) -> None:
    assert SourceUrl.parse(text).authority == authority


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("y", "https://a.example/d/y"),
        ("/y?z", "https://a.example/y?z"),
        ("//b.example/y", "https://b.example/y"),
        ("http://b.example:8080", "http://b.example:8080"),
        ("?z", "https://a.example/d/x?z"),
        ("/\\b.example/y", "https://a.example/%5Cb.example/y"),
        ("https:\\\\b.example", "no host"),
        ("https://b.example\\@c.example", "cannot be read"),
        ("http://[::1]@", "cannot be read"),
        ("https://user@b.example", "password"),
        ("ftp://b.example", "http"),
        ("//127.1/", "host"),
        ("//b.example./", "host"),
        ("//b.exa\tmple", "control characters"),
        ("//bücher.example/ü", "https://bücher.example/%C3%BC"),
        ("//b.exa mple", "host"),
    ],
)
def test_a_redirect_is_read_by_the_same_parser(location: str, target: str) -> None:
    source = SourceUrl.parse("https://a.example/d/x")
    if target.startswith("http") and ":" in target:
        assert str(source.redirected(location)) == target
    else:
        with pytest.raises(ValueError, match=target):
            source.redirected(location)


@given(st.text(max_size=60))
def test_no_location_at_all_ends_in_anything_but_a_source_or_a_refusal(location: str) -> None:
    try:
        target = SourceUrl.parse("https://a.example/d/x").redirected(location)
    except ValueError:
        return
    assert SourceUrl.parse(str(target)) == target


@given(URLS)
def test_a_source_travels_as_its_string(text: str) -> None:
    sources = TypeAdapter(SourceUrl)
    source = SourceUrl.parse(text)
    assert sources.validate_json(sources.dump_json(source)) == source
    assert sources.validate_python(source) is source

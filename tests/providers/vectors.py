"""Drawings (SVG), good ones and those that are up to something."""

_NAMESPACES = b'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'


def svg(content: bytes = b"", attributes: bytes = b'viewBox="0 0 24 24"') -> bytes:
    return b"<svg %s %s>%s</svg>" % (_NAMESPACES, attributes, content)


HALVES = svg(
    b'<rect width="12" height="24" fill="#c02020"/><rect x="12" width="12" height="24" fill="#2040c0"/>',
    b'width="24" height="24" viewBox="0 0 24 24"',
)
"""24 × 24: red at the left, blue at the right."""

ACTIVE = svg(
    b'<script>alert(1)</script><rect width="24" height="24" onload="alert(2)" fill="red"/>'
    b'<a xlink:href="javascript:alert(3)"><rect width="4" height="4"/></a>'
    b'<image href="https://tracker.example/pixel.png" width="4" height="4"/>'
    b'<image xlink:href="file:///etc/passwd" width="4" height="4"/>'
    b'<foreignObject><iframe xmlns="http://www.w3.org/1999/xhtml" src="https://tracker.example/"/></foreignObject>'
    b'<style>@import "https://tracker.example/style.css"; rect { fill: url(https://tracker.example/f) }</style>'
)
"""Whatever a drawing can try at once."""

TRACES = (
    b"script",
    b"alert",
    b"onload",
    b"javascript",
    b"iframe",
    b"foreignobject",
    b"passwd",
    b"https://tracker",
)

NESTED_ENTITIES = (
    b'<!DOCTYPE svg [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%s">' % (letter, b"&%c;" % (letter - 1) * 10) for letter in b"bcdefghi")
    + b"]>"
    + svg(b"<text>&i;</text>")
)
EXTERNAL_ENTITY = b'<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + svg(b"<text>&a;</text>")
PLAIN_ENTITY = b'<!DOCTYPE svg [<!ENTITY red "#c02020">]>' + svg(
    b'<rect width="24" height="24" fill="&red;"/>'
)
"""As drawing programs write them."""

DEEP = svg(b"<g>" * 100_000 + b"</g>" * 100_000)
MANY = svg(b"<g/>" * 200_000)
HUGE = svg(b'<path d="m0,0v1h1V0"/>', b'viewBox="0 0 1 1" width="10000000" height="10000000"')
THREAD = svg(b'<path d="m0,0v1h1V0"/>', b'viewBox="0 0 1 5000"')
MULTIPLYING = svg(
    b"<defs><g id='a0'><rect width='1' height='1'/></g>"
    + b"".join(
        b"<g id='a%d'>%s</g>" % (level, b"<use href='#a%d'/>" % (level - 1) * 10) for level in range(1, 10)
    )
    + b"</defs><use href='#a9'/>"
)
"""Ten uses of ten uses of …: a thousand million rectangles."""

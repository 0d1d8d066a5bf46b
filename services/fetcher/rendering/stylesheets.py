"""Style sheets of drawings, put into words that the renderer has: what it has none for is named, and not drawn.

CSS Syntax 3, as far as it matters here: comments, at-rules, and rules in braces.
"""

import colorsys
import re
from collections.abc import Iterator

from services.fetcher.rendering.limits import DOCUMENT_BYTES
from services.fetcher.rendering.order import TooLarge

_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_AT_NAME = re.compile(r"@(-?[\w-]+)")
_CUSTOM = re.compile(r"(?:^|[;{\s])(--[\w-]+)\s*:\s*([^;{}]*)")
_VARIABLE = re.compile(r"var\(\s*(--[\w-]+)\s*(?:,((?:[^()]|\([^()]*\))*))?\)")
_PARTS = r"\(\s{0,9}([^(),/\s]{1,40})[\s,]{1,9}([^(),/\s]{1,40})[\s,]{1,9}([^(),/\s]{1,40})\s{0,9}"
_PARTS += r"(?:[/,]\s{0,9}([^(),/\s]{1,40})\s{0,9})?\)"
_RGB = re.compile(r"\brgba?" + _PARTS, re.IGNORECASE)
_HSL = re.compile(r"\bhsla?" + _PARTS, re.IGNORECASE)
_ELSEWHERE = re.compile(r"url\(\s*[\"']?\s*(?!#|data:image/)[^)]*\)", re.IGNORECASE)
_FOREIGN_COLOR = re.compile(r"\b(?:oklch|oklab|lch|lab|hwb|color|color-mix|light-dark)\(", re.IGNORECASE)
_LACKING = re.compile(
    r"(vector-effect|offset-path|mask-image|text-shadow|animation|clip-path(?=\s*:\s*[a-z]+\((?<!url\()))\s*[-\w]*\s*:",
    re.IGNORECASE,
)
_FOREIGN_SELECTOR = re.compile(r":(?:not|is|where|has|nth-[\w-]+|hover|focus)\b")
_GEOMETRY = re.compile(r"(?:^|[;{\s])(width|height|x|y|cx|cy|r|rx|ry|d)\s*:", re.IGNORECASE)
_SHOWN_MEDIA = frozenset({"", "all", "screen", "only screen"})
_TRANSFORM = re.compile(r"((?:^|[;{\s])transform\s*:)([^;}]*)", re.IGNORECASE)
_UNIT = re.compile(r"(?<=\d)(px|deg)\b", re.IGNORECASE)
_ROUNDS_AT_MOST = 8
_MEDIA_WITHIN_MEDIA = 4
_BYTE = 255


def put_plainly(css: str, variables: dict[str, str], lost: set[str]) -> str:
    """A sheet without imports and what else is not of this picture; `lost`: what of it is not drawn is added."""
    return _sheet(_COMMENT.sub(" ", css), variables, lost)


def declared_plainly(css: str, variables: dict[str, str], lost: set[str]) -> str:
    """Declarations, as a `style` attribute or one for presentation has them."""
    for _ in range(_ROUNDS_AT_MOST):
        css, count = _VARIABLE.subn(lambda found: variables.get(found[1], (found[2] or "").strip()), css)
        if len(css) > DOCUMENT_BYTES:
            raise TooLarge("The drawing has too much text.")
        if not count:
            break
    css, count = _ELSEWHERE.subn("none", css)
    if count:
        lost.add("what lies elsewhere")
    if found := _LACKING.search(css):
        lost.add(found[1])
    if _FOREIGN_COLOR.search(css):
        lost.add("a colour function")
    css = re.sub(r"\brebeccapurple\b", "#663399", css, flags=re.IGNORECASE)
    css = _HSL.sub(_of_hsl, _RGB.sub(_of_rgb, css))
    return _TRANSFORM.sub(lambda found: found[1] + _UNIT.sub("", found[2]), css)


def variables_of(css: str) -> dict[str, str]:
    """Custom properties with their values: the last of each, wherever it is set."""
    return {name: value.strip() for name, value in _CUSTOM.findall(_COMMENT.sub(" ", css))}


def _sheet(css: str, variables: dict[str, str], lost: set[str], depth: int = 0) -> str:
    made = []
    for prelude, block in _rules(css):
        if not prelude.startswith("@"):
            made.append(_rule(prelude, block or "", variables, lost))
            continue
        name = (_AT_NAME.match(prelude) or ["", ""])[1].lower()
        if name == "media" and block is not None and prelude[len("@media") :].strip().lower() in _SHOWN_MEDIA:
            if depth < _MEDIA_WITHIN_MEDIA:
                made.append(_sheet(block, variables, lost, depth + 1))
        elif name not in ("charset", "namespace", "media"):
            lost.add(f"@{name}")
        elif name == "media" and "print" not in prelude:
            lost.add(prelude[:60])
    return "\n".join(made)


def _rule(selector: str, block: str, variables: dict[str, str], lost: set[str]) -> str:
    if _FOREIGN_SELECTOR.search(selector):
        lost.add(f"the selector {selector.strip()[:60]}")
        return ""
    if "{" in block:
        lost.add("nested rules")
        block = re.sub(r"[^;{}]*\{[^{}]*\}?", "", block)
    if found := _GEOMETRY.search(block):
        lost.add(f"{found[1]} in a style sheet")
    return f"{selector.strip()} {{{declared_plainly(block, variables, lost)}}}"


def _rules(css: str) -> Iterator[tuple[str, str | None]]:
    """What comes before a block, and what lies in it; None where a semicolon ends it."""
    at = 0
    while at < len(css):
        begin, depth = at, 0
        opened = -1
        while at < len(css):
            letter = css[at]
            if letter in "\"'":
                end = css.find(letter, at + 1)
                at = len(css) if end < 0 else end
            elif letter == "(":
                end = _closing(css, at)
                at = len(css) if end < 0 else end
            elif letter == "{":
                opened = at if depth == 0 else opened
                depth += 1
            elif letter == "}":
                depth -= 1
                if depth <= 0:
                    break
            elif letter == ";" and depth == 0:
                break
            at += 1
        prelude = css[begin : opened if opened >= 0 else at].strip()
        if prelude:
            yield prelude, css[opened + 1 : at] if opened >= 0 else None
        at += 1


def _closing(css: str, opened: int) -> int:
    at, depth = opened, 0
    while at < len(css):
        if css[at] in "\"'":
            at = css.find(css[at], at + 1)
            if at < 0:
                return -1
        elif css[at] == "(":
            depth += 1
        elif css[at] == ")":
            depth -= 1
            if not depth:
                return at
        at += 1
    return -1


def _of_rgb(found: re.Match[str]) -> str:
    red, green, blue = (_share(text, _BYTE) for text in (found[1], found[2], found[3]))
    return _color(red, green, blue, found[4]) or found[0]


def _of_hsl(found: re.Match[str]) -> str:
    try:
        hue = float(found[1].strip().lower().removesuffix("deg")) % 360 / 360
    except ValueError:
        return found[0]
    saturation, lightness = _share(found[2], 100), _share(found[3], 100)
    if saturation is None or lightness is None:
        return found[0]
    return _color(*colorsys.hls_to_rgb(hue, lightness, saturation), found[4]) or found[0]


def _color(red: float | None, green: float | None, blue: float | None, alpha: str | None) -> str | None:
    opacity = 1.0 if alpha is None else _share(alpha, 1)
    if red is None or green is None or blue is None or opacity is None:
        return None
    bands = ", ".join(str(round(_BYTE * band)) for band in (red, green, blue))
    return f"rgba({bands}, {opacity:g})"


def _share(text: str, whole: float) -> float | None:
    try:
        value = float(text.strip().removesuffix("%")) / (100 if text.strip().endswith("%") else whole)
    except ValueError:
        return None
    return min(max(value, 0.0), 1.0)

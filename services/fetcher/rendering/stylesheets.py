"""Style sheets of drawings, put into words that the renderer has: what it has none for is named, and not drawn.

CSS Syntax 3, as far as it matters here: comments, at-rules, and rules in braces.
"""

import cmath
import colorsys
import math
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
_OKLAB = re.compile(r"\boklab" + _PARTS, re.IGNORECASE)
_OKLCH = re.compile(r"\boklch" + _PARTS, re.IGNORECASE)
_HWB = re.compile(r"\bhwb" + _PARTS, re.IGNORECASE)
_FOREIGN_COLOR = re.compile(
    r"(?<![\w-])(?:oklch|oklab|lch|lab|hwb|color|color-mix|light-dark)\(", re.IGNORECASE
)
_RECKONED = re.compile(r"(?<![\w-])(calc|min|max|clamp)\(", re.IGNORECASE)
_KEYWORD = re.compile(r":\s*(unset|initial|revert|revert-layer)\b", re.IGNORECASE)
_APART = re.compile(r"(?:^|[;{\s])(rotate|translate|scale|transform-box)\s*:(?!\s*none\b)", re.IGNORECASE)
_GROUND = re.compile(
    r"(?:^|[;{\s])background(?:-color|-image)?\s*:(?!\s*(?:none|transparent)\b)", re.IGNORECASE
)
_LACKING = re.compile(
    r"(vector-effect|offset-path|mask-image|text-shadow|animation|clip-path(?=\s*:\s*[a-z]+\((?<!url\()))\s*[-\w]*\s*:",
    re.IGNORECASE,
)
_FOREIGN_SELECTOR = re.compile(r":(?!first-child\b)[\w-]+")
_ROOT = re.compile(r"(?:\bsvg)?:root\b")
_IN_BRACKETS = re.compile(r"\[[^\]]{0,200}\]")
_APART_BY_COMMAS = re.compile(r",(?![^()\[\]]{0,200}[)\]])")
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
    for lacking, what in ((_LACKING, "{}"), (_APART, "{}"), (_RECKONED, "{}()"), (_KEYWORD, "the value {}")):
        lost.update(what.format(found[1].lower()) for found in lacking.finditer(css))
    css = re.sub(r"\brebeccapurple\b", "#663399", css, flags=re.IGNORECASE)
    for pattern, made in _COLORS:
        css = pattern.sub(made, css)
    if _FOREIGN_COLOR.search(css):
        lost.add("a colour function")
    return _TRANSFORM.sub(lambda found: found[1] + _UNIT.sub("", found[2]), css)


def is_reckoned(value: str) -> bool:
    """Whether it is to be worked out, which the renderer does not do."""
    return _RECKONED.search(value) is not None


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
    if all(one.startswith("--") for one in map(str.strip, block.split(";")) if one):
        return ""  # and what there is of variables is known
    ones = [_ROOT.sub("svg", one.strip()) for one in _APART_BY_COMMAS.split(selector)]
    foreign = {one for one in ones if _FOREIGN_SELECTOR.search(_IN_BRACKETS.sub("", one))}
    lost.update(f"the selector {one[:60]}" for one in foreign)
    if len(foreign) == len(ones):
        return ""
    selector = ", ".join(one for one in ones if one not in foreign)
    if "{" in block:
        lost.add("nested rules")
        block = re.sub(r"[^;{}]*\{[^{}]*\}?", "", block)
    if found := _GEOMETRY.search(block):
        lost.add(f"{found[1]} in a style sheet")
    if _GROUND.search(block):
        lost.add("the background")
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
    hue, saturation, lightness = _turn(found[1]), _share(found[2], 100), _share(found[3], 100)
    if hue is None or saturation is None or lightness is None:
        return found[0]
    return _color(*colorsys.hls_to_rgb(hue, lightness, saturation), found[4]) or found[0]


def _of_hwb(found: re.Match[str]) -> str:
    hue, white, black = _turn(found[1]), _share(found[2], 100), _share(found[3], 100)
    if hue is None or white is None or black is None:
        return found[0]
    white, black = white / max(1, white + black), black / max(1, white + black)
    pure = colorsys.hls_to_rgb(hue, 0.5, 1)
    red, green, blue = (white + band * (1 - white - black) for band in pure)
    return _color(red, green, blue, found[4]) or found[0]


def _of_oklab(found: re.Match[str]) -> str:
    lightness, across, along = _share(found[1], 1), _number(found[2], 0.4), _number(found[3], 0.4)
    if lightness is None or across is None or along is None:
        return found[0]
    return _color(*_from_oklab(lightness, across, along), found[4]) or found[0]


def _of_oklch(found: re.Match[str]) -> str:
    lightness, chroma, hue = _share(found[1], 1), _number(found[2], 0.4), _turn(found[3])
    if lightness is None or chroma is None or hue is None:
        return found[0]
    around = cmath.rect(min(max(chroma, 0.0), 1.0), math.tau * hue)
    return _color(*_from_oklab(lightness, around.real, around.imag), found[4]) or found[0]


def _from_oklab(lightness: float, across: float, along: float) -> tuple[float, float, float]:
    """CSS Color 4, section 9.2, and its sample code: by cones to linear light, and that encoded; clipped."""
    across, along = (min(max(value, -1.0), 1.0) for value in (across, along))
    long = (lightness + 0.3963377774 * across + 0.2158037573 * along) ** 3
    middle = (lightness - 0.1055613458 * across - 0.0638541728 * along) ** 3
    short = (lightness - 0.0894841775 * across - 1.2914855480 * along) ** 3
    return (
        _encoded(4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short),
        _encoded(-1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short),
        _encoded(-0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short),
    )


def _encoded(linear: float) -> float:
    linear = min(max(linear, 0.0), 1.0)
    return 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055  # noqa: PLR2004 - sRGB's


_COLORS = ((_RGB, _of_rgb), (_HSL, _of_hsl), (_HWB, _of_hwb), (_OKLAB, _of_oklab), (_OKLCH, _of_oklch))


def _turn(text: str) -> float | None:
    """Of a hue in degrees: the share of a whole turn."""
    value = _number(text.lower().removesuffix("deg"), 1)
    return None if value is None else value % 360 / 360


def _number(text: str, hundred_per_cent: float) -> float | None:
    text = text.strip()
    try:
        value = float(text.removesuffix("%")) * (hundred_per_cent / 100 if text.endswith("%") else 1)
    except ValueError:
        return 0.0 if text.lower() == "none" else None
    return value if math.isfinite(value) else None


def _color(red: float | None, green: float | None, blue: float | None, alpha: str | None) -> str | None:
    opacity = 1.0 if alpha is None else _share(alpha, 1)
    if red is None or green is None or blue is None or opacity is None:
        return None
    bands = ", ".join(str(round(_BYTE * band)) for band in (red, green, blue))
    return f"rgba({bands}, {opacity:g})"


def _share(text: str, whole: float) -> float | None:
    value = _number(text, whole)
    return None if value is None else min(max(value / whole, 0.0), 1.0)

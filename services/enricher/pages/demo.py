"""The demo library: two dozen titles with drawn posters, so that there is something to see without a key, a folder or a network."""

import math
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from http import HTTPStatus
from importlib.resources import files
from random import Random
from textwrap import wrap

from pydantic import BaseModel, ConfigDict

from services.enricher.api.endpoint import Access, Endpoint, Parameters
from services.enricher.api.tasks import ShownTask, started
from services.enricher.finder import Finder
from services.enricher.finder.providers import Condition
from services.enricher.library.pages.enrichment import EnrichedPage
from services.enricher.pages.site import OwnApi
from services.enricher.tasks.task import Progress
from services.enricher.tasks.tasks import Tasks
from shared.http import Problem
from shared.pictures import Kind, Role

LIST = "Demo"
KIND = "demo"


class DemoTitle(BaseModel):
    model_config = ConfigDict(frozen=True)

    title: str
    year: int
    imdb_id: str
    media_type: str
    by: str
    genres: tuple[str, ...]
    rating: float
    overview: str

    @property
    def kind(self) -> Kind:
        return Kind.MOVIE if self.media_type == "movie" else Kind.SERIES

    def picture(self, role: Role = Role.POSTER, variant: int = 0) -> bytes:
        """Drawn, as SVG; each variant another one."""
        return drawn(self.title, f"{self.by} · {self.year}", role, demo_titles().index(self) + variant)


@cache
def demo_titles() -> Sequence[DemoTitle]:
    text = (files(__package__ or __name__) / "demo.toml").read_text(encoding="utf-8")
    return tuple(map(DemoTitle.model_validate, tomllib.loads(text)["titles"]))


class DemoLibrary:
    """The work of the task that fills the library: done twice it does no harm."""

    def __init__(self, finder: Finder) -> None:
        self.api = OwnApi(())
        """To be set once there is one: it has our own endpoints, too."""

        self._finder = finder

    async def __call__(self, _arguments: Mapping[str, object], progress: Progress) -> None:
        alone = all(status.condition is Condition.OFF for status in self._finder.statuses.values())
        titles = demo_titles()
        progress.total = 2 * len(titles) if alone else len(titles)
        for one in reversed(titles):  # the wall shows the newest first
            values = one.model_dump(include={"title", "year", "imdb_id", "media_type"})
            await self.api.ask("POST /api/library/items", list_source=LIST, **values)
            progress.step(1, added=1)
        for one in titles if alone else ():
            await self._draw(one, progress)

    async def _draw(self, one: DemoTitle, progress: Progress) -> None:
        """Pinned, for nobody else has a picture of it."""
        pin = "PUT /api/v1/admin/images/{kind}/{id}/{role}"
        name = {"kind": one.kind, "id": f"imdb:{one.imdb_id}", "role": Role.POSTER}
        try:
            await self.api.send(pin, one.picture(), **name)
        except Problem as problem:
            progress.error(one.title, problem.detail)
        progress.step(1)


class DemoCleared(BaseModel):
    model_config = ConfigDict(frozen=True)

    removed: int


def demo_endpoints(tasks: Tasks, demo: DemoLibrary) -> list[Endpoint]:
    async def fill(_asked: Parameters) -> ShownTask:
        """Fill the library with two dozen well-known titles, and with drawn posters where no provider has a key: a task."""
        return await started(tasks, KIND, {})

    async def clear(_asked: Parameters) -> DemoCleared:
        """Remove the titles of the demo library, with their drawn posters."""
        page: EnrichedPage = EnrichedPage.model_validate(
            await demo.api.ask("GET /api/items/enriched", list_source=LIST, limit=100)
        )
        for item in page.items:
            await demo.api.ask("DELETE /api/library/items/{id}", id=item.id)
        for one in demo_titles():
            name = {"kind": one.kind, "id": f"imdb:{one.imdb_id}", "role": Role.POSTER}
            await demo.api.if_had("DELETE /api/v1/admin/images/{kind}/{id}/{role}", **name)
        return DemoCleared(removed=len(page.items))

    path, admin = "/api/v1/admin/demo", Access.ADMIN
    return [
        Endpoint("POST", path, fill, ShownTask, access=admin, status=HTTPStatus.ACCEPTED),
        Endpoint("DELETE", path, clear, DemoCleared, access=admin),
    ]


# --- how they are drawn

SCALE = 0.6
"""What they are drawn in, to how large they say they are: a renderer's time goes by that."""

_PALETTES = (
    ("#1b1b3a", "#693668", "#f4a259", "#f7e1b5"),
    ("#0b132b", "#1c5d78", "#5bc0be", "#f2f7f5"),
    ("#2d0a14", "#8c1c2b", "#e4572e", "#ffe3c2"),
    ("#10241b", "#2f5d3a", "#b7b23a", "#f5f1d6"),
    ("#201335", "#5a2a82", "#e15a97", "#fde2ec"),
    ("#12202f", "#31557a", "#e9b44c", "#fff4dc"),
    ("#241a12", "#6e4a2e", "#d98f4e", "#f8ead8"),
    ("#0d1f22", "#186262", "#f06543", "#f1ede2"),
)
_SIZES = {
    Role.POSTER: (1000, 1500),
    Role.FANART: (1920, 1080),
    Role.BANNER: (1000, 185),
    Role.LOGO: (800, 310),
    Role.STILL: (1280, 720),
    Role.PROFILE: (600, 900),
}


@dataclass(frozen=True, slots=True)
class Canvas:
    width: int
    height: int
    dice: Random
    colors: tuple[str, str, str, str]
    """From the ground to the light."""

    @property
    def least(self) -> int:
        return min(self.width, self.height)


def drawn(title: str, line: str, role: Role = Role.POSTER, place: int = 0) -> bytes:
    """A picture of its own for each title, the same whenever it is asked for, as SVG. Neighbours by `place` are unlike."""
    width, height = _SIZES[role]
    dice = Random(f"{title} {place}")  # noqa: S311 - it only draws
    colors = _PALETTES[(place + 2 * (place // len(_MOTIFS))) % len(_PALETTES)]
    canvas = Canvas(width, height, dice, colors)
    motif = _MOTIFS[(place + place // len(_MOTIFS)) % len(_MOTIFS)](canvas) if role is not Role.LOGO else ""
    ground = (
        f'<defs><linearGradient id="g" x1="0" y1="0" x2="0.35" y2="1"><stop offset="0" stop-color="{colors[1]}"/>'
        f'<stop offset="1" stop-color="{colors[0]}"/></linearGradient><linearGradient id="s" x1="0" y1="0" x2="0" y2="1">'
        f'<stop offset="0.45" stop-color="{colors[0]}" stop-opacity="0"/><stop offset="1" stop-color="{colors[0]}"/>'
        f'</linearGradient></defs><rect width="{width}" height="{height}" fill="url(#g)"/>'
    )
    body = {
        Role.POSTER: f'{ground}{motif}<rect width="{width}" height="{height}" fill="url(#s)"/>{_words(canvas, title, line)}',
        Role.LOGO: _words(canvas, title, ""),
        Role.PROFILE: f"{ground}{_face(canvas)}",
    }.get(role, f'{ground}{motif}<rect width="{width}" height="{height}" fill="url(#s)" opacity="0.7"/>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width * SCALE:.0f}" height="{height * SCALE:.0f}" viewBox="0 0 {width} {height}">{body}</svg>'
    ).encode()


def _words(canvas: Canvas, title: str, line: str) -> str:
    """The title in as large letters as it fits, from below, and a small line under it."""
    lines = wrap(title.upper(), 11, break_long_words=False)
    size = min(canvas.width * 0.17, *(canvas.width * 1.32 / len(one) for one in lines))
    room = canvas.height - (canvas.height * 0.1 if line else canvas.height * 0.06)
    style = 'font-family="Noto Sans, sans-serif" text-anchor="middle"'
    middle = canvas.width / 2
    rows = [
        f'<text x="{middle}" y="{room - size * 1.02 * (len(lines) - 1 - place):.0f}" font-size="{size:.0f}" font-weight="700" '
        f'fill="{canvas.colors[3]}" stroke="{canvas.colors[3]}" stroke-width="{size * 0.022:.1f}" {style}>{escape(one)}</text>'
        for place, one in enumerate(lines)
    ]
    if line:
        small = f'fill="{canvas.colors[3]}" opacity="0.85" {style}'
        rows.append(
            f'<text x="{middle}" y="{canvas.height * 0.955:.0f}" font-size="38" {small}>{escape(line)}</text>'
        )
    return "".join(rows)


def _sun(canvas: Canvas) -> str:
    x, y, radius = canvas.width * canvas.dice.uniform(0.35, 0.65), canvas.height * 0.38, canvas.least * 0.2
    rays = []
    count = canvas.dice.choice((18, 24, 30))
    for ray in range(count):
        around, wide, far = 2 * math.pi * ray / count, math.pi / count / 2, canvas.width + canvas.height
        ends = [
            (x + far * math.cos(around + turn), y + far * math.sin(around + turn)) for turn in (-wide, wide)
        ]
        points = " ".join(f"{px:.0f},{py:.0f}" for px, py in ((x, y), *ends))
        rays.append(f'<polygon points="{points}" fill="{canvas.colors[2]}" opacity="0.34"/>')
    return "".join(rays) + _disc(x, y, radius, canvas.colors[3])


def _rings(canvas: Canvas) -> str:
    x, y = canvas.width / 2, canvas.height * 0.36
    rings = [
        f'<circle cx="{x}" cy="{y:.0f}" r="{canvas.least * 0.09 * ring:.0f}" fill="none" stroke="{canvas.colors[2 + ring % 2]}" '
        f'stroke-width="{canvas.dice.randint(6, 26)}" opacity="{1 - ring / 9:.2f}"/>'
        for ring in range(1, 8)
    ]
    return "".join(rings) + _disc(x, y, canvas.least * 0.05, canvas.colors[3])


def _moon(canvas: Canvas) -> str:
    stars = [
        _disc(
            canvas.dice.uniform(0, canvas.width),
            canvas.dice.uniform(0, canvas.height * 0.6),
            canvas.dice.uniform(1.5, 5),
            canvas.colors[3],
        )
        for _ in range(70)
    ]
    x, y, radius = canvas.width * canvas.dice.uniform(0.3, 0.7), canvas.height * 0.3, canvas.least * 0.24
    shade = _disc(x + radius * 0.42, y - radius * 0.22, radius * 0.9, canvas.colors[1])
    return "".join(stars) + _disc(x, y, radius, canvas.colors[3]) + shade + _hills(canvas)


def _hills(canvas: Canvas) -> str:
    hills = []
    for layer in range(3):
        base = canvas.height * (0.58 + 0.11 * layer)
        steps = [
            (canvas.width * step / 6, base - canvas.dice.uniform(0, canvas.height * 0.14))
            for step in range(7)
        ]
        curve = " ".join(f"S{x - canvas.width / 14:.0f} {y:.0f} {x:.0f} {y:.0f}" for x, y in steps[1:])
        path = f"M0 {steps[0][1]:.0f} {curve} V{canvas.height} H0Z"
        hills.append(f'<path d="{path}" fill="{canvas.colors[(2, 1, 0)[layer]]}" opacity="0.85"/>')
    return "".join(hills)


def _city(canvas: Canvas) -> str:
    towers = [_disc(canvas.width * 0.7, canvas.height * 0.28, canvas.least * 0.17, canvas.colors[2])]
    for layer in range(2):
        x = -40.0
        while x < canvas.width:
            wide = canvas.dice.uniform(0.07, 0.15) * canvas.width
            top = canvas.height * canvas.dice.uniform(0.3 + 0.14 * layer, 0.62)
            fill = canvas.colors[1 - layer]
            towers.append(
                f'<rect x="{x:.0f}" y="{top:.0f}" width="{wide:.0f}" height="{canvas.height}" fill="{fill}"/>'
            )
            towers += [
                f'<rect x="{x + wide * column:.0f}" y="{top + canvas.height * (0.03 + 0.045 * row):.0f}" width="{wide * 0.13:.0f}" '
                f'height="{canvas.height * 0.02:.0f}" fill="{canvas.colors[3]}" opacity="0.7"/>'
                for column in (0.18, 0.44, 0.7)
                for row in range(6)
                if canvas.dice.random() < 0.45  # noqa: PLR2004 - somebody is at home
            ]
            x += wide * 0.92
    return "".join(towers)


def _shards(canvas: Canvas) -> str:
    x, y = canvas.width / 2, canvas.height * 0.4
    shards = []
    for _ in range(26):
        around, far = canvas.dice.uniform(0, 2 * math.pi), canvas.dice.uniform(0.15, 0.75) * canvas.height
        turn = canvas.dice.uniform(0.04, 0.2)
        points = " ".join(
            f"{x + reach * math.cos(at):.0f},{y + reach * math.sin(at):.0f}"
            for at, reach in ((around, far * 0.2), (around + turn, far), (around - turn, far * 0.8))
        )
        color = canvas.dice.choice(canvas.colors[1:])
        shards.append(
            f'<polygon points="{points}" fill="{color}" opacity="{canvas.dice.uniform(0.4, 0.95):.2f}"/>'
        )
    return "".join(shards)


def _waves(canvas: Canvas) -> str:
    waves = [_disc(canvas.width * 0.5, canvas.height * 0.34, canvas.least * 0.26, canvas.colors[2])]
    for row in range(9):
        y, high = canvas.height * (0.4 + 0.07 * row), canvas.height * 0.03
        step = canvas.width / canvas.dice.choice((4, 6, 8))
        bends = "".join(
            f"q{step / 2:.0f} {high if bend % 2 else -high:.0f} {step:.0f} 0" for bend in range(10)
        )
        fill = canvas.colors[(3, 2, 1, 0)[row % 4]]
        path = f"M{-step * 1.5:.0f} {y:.0f}{bends}V{canvas.height}H0Z"
        waves.append(f'<path d="{path}" fill="{fill}" opacity="0.8"/>')
    return "".join(waves)


def _face(canvas: Canvas) -> str:
    x = canvas.width / 2
    shoulders = f'<ellipse cx="{x}" cy="{canvas.height * 0.95:.0f}" rx="{canvas.width * 0.42}" ry="{canvas.height * 0.35}" fill="{canvas.colors[2]}"/>'
    return shoulders + _disc(x, canvas.height * 0.38, canvas.width * 0.22, canvas.colors[3])


def _disc(x: float, y: float, radius: float, color: str) -> str:
    return f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{radius:.1f}" fill="{color}"/>'


_MOTIFS: Sequence[Callable[[Canvas], str]] = (_sun, _rings, _moon, _city, _shards, _waves)

"""What rendering costs and how good it looks, beside libvips in the same run.

Each is measured in a process of its own, ours under the allocator settings of a renderer. Similarity is SSIM as
Wang and others defined it (2004): brightness, an 11 × 11 Gaussian of 1.5 pixels, constants of 0.01 and 0.03.
"""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from math import exp
from pathlib import Path
from statistics import median
from typing import Any

from PIL import Image, ImageOps

from services.fetcher.rendering.encode import encode
from shared.pictures import SIZES, STANDARD_SIZES, Format
from tests.bench.report import Figure
from tests.providers import drawing
from tests.providers.gallery import CORPUS

CPU_PROMISE = 0.9
SMALL_PROMISE, MEDIUM_PROMISE = 1.2, 0.8
"""Of one alone. Ours comes with the picture's colour and thumbhash."""
SIMILARITY_PROMISE = 0.001
BYTES_PROMISE = 1.05
ROUNDS = 4
TURNS = 7
QUALITY, METHOD = 85, 2

LOCKDOWN_PROMISE = 1.05
LOCKDOWN_ROUNDS = 15

_RENDERER = f"""
import json, statistics, sys, time
from pathlib import Path
from services.fetcher.rendering import confinement, preload
from services.fetcher.rendering.lockdown import Reach
from services.fetcher.rendering.render import Order, render
from shared.pictures import Rendition

original, into, *sizes = sys.argv[1:]
renditions = tuple(Rendition.parse(f"{{size}}.webp") for size in sizes)
order = Order(Path(original), Path(into), renditions, {QUALITY}, 120_000_000)
told = open(3, "w")
LOCKDOWN
confinement.confine(1024**3, True, Reach((Path(original).parent,), (Path(into),)))

def turn():
    began = time.process_time()
    render(order)
    return time.process_time() - began

print(json.dumps([turn() for _ in range({TURNS} + 1)][1:]), file=told, flush=True)
"""
_OURS = _RENDERER.replace("LOCKDOWN", "")
_OURS_UNLOCKED = _RENDERER.replace("LOCKDOWN", "confinement.lock_down = lambda _reach: ()")
_VIPS = f"""
import json, sys, time
import pyvips

original, into, *sizes = sys.argv[1:]
boxes = json.loads({json.dumps(json.dumps({name: (box.width, box.height) for name, box in SIZES.items()}))})

def turn():
    began = time.process_time()
    for size in sizes:
        width, height = boxes[size]
        picture = pyvips.Image.thumbnail(original, width, height=height or 10000, size="down")
        picture.webpsave(f"{{into}}/{{size}}.webp", Q={QUALITY}, effort={METHOD}, keep="none")
    return time.process_time() - began

print(json.dumps([turn() for _ in range({TURNS} + 1)][1:]), file=open(3, "w"))
"""


@dataclass(frozen=True, slots=True)
class Compared:
    """CPU of one turn in milliseconds, the median of all; and where the renditions lie."""

    ours_ms: float
    vips_ms: float
    ours: Path
    vips: Path


AVIF_CPU_PROMISE, AVIF_BYTES_PROMISE = 0.3, 0.75


def rendering(directory: Path) -> list[Figure]:
    photo = _photo(directory)
    poster = _of(photo, directory / "poster.jpg", (1000, 1500))
    backdrop = _of(photo, directory / "backdrop.jpg", (3840, 2160))
    asked_first = {
        "w342 of a poster": (poster, "w342", SMALL_PROMISE),
        "medium of a poster": (poster, "medium", MEDIUM_PROMISE),
        "medium of a backdrop": (backdrop, "medium", MEDIUM_PROMISE),
        "thumbnail of a photo": (photo, "thumbnail", SMALL_PROMISE),
    }
    large = _drawn(directory, "six megapixels", drawing.PHOTO)
    standard = _compare(directory / "standard", photo, STANDARD_SIZES)
    return [
        _cpu("four WebP renditions of a photo", standard),
        _similarity(photo, standard),
        _bytes(standard),
        *[
            _cpu(f"the {what} alone", _compare(directory / what, original, (size,)), promise)
            for what, (original, size, promise) in asked_first.items()
        ],
        *avif(directory, poster),
        _cpu("four of six megapixels", _compare(directory / "large", large, STANDARD_SIZES)),
        lockdown(directory, photo),
    ]


def _of(photo: Path, into: Path, size: drawing.Size) -> Path:
    """The middle of it, in the size that posters and backdrops have."""
    with Image.open(photo) as image:
        ImageOps.fit(image.convert("RGB"), size).save(into, "JPEG", quality=90)
    return into


def avif(directory: Path, poster: Path) -> list[Figure]:
    """Beside the WebP that it stands in for, and what it would cost at the same number and a lower speed."""
    with Image.open(poster) as image:
        exact = image.convert("RGB").resize(SIZES["medium"].fit(*image.size), Image.Resampling.LANCZOS)
    took: dict[str, list[float]] = {"avif": [], "webp": [], "before": []}
    files = {name: directory / f"encoded.{name}" for name in took}
    for _ in range(TURNS):
        for name, file in files.items():
            began = time.process_time()
            if name == "before":
                exact.save(file, "AVIF", quality=QUALITY, speed=8, max_threads=1)
            else:
                encode(exact.copy(), Format(name), file, QUALITY)
            took[name].append(time.process_time() - began)
    ours_ms, before_ms = (1000 * median(took[name]) for name in ("avif", "before"))
    ours, webp = files["avif"].stat().st_size, files["webp"].stat().st_size
    loss = _ssim(exact, files["avif"]) - _ssim(exact, files["webp"])
    return [
        Figure(
            what="CPU for a poster's medium as AVIF",
            ours=f"{ours_ms:.0f} ms",
            reference=f"speed 8, quality {QUALITY} {before_ms:.0f} ms",
            compared=f"{ours_ms / before_ms:.2f} ×",
            promise=f"≤ {AVIF_CPU_PROMISE} ×",
            kept=ours_ms <= AVIF_CPU_PROMISE * before_ms,
        ),
        Figure(
            what=f"its bytes, looking like the WebP (SSIM {loss:+.4f})",
            ours=f"{ours / 1000:.0f} kB",
            reference=f"WebP {webp / 1000:.0f} kB",
            compared=f"{ours / webp:.2f} ×",
            promise=f"≤ {AVIF_BYTES_PROMISE} ×",
            kept=ours <= AVIF_BYTES_PROMISE * webp,
        ),
    ]


def lockdown(directory: Path, original: Path) -> Figure:
    """What it costs that a renderer may do nothing else: medians of rounds in turns."""
    into = directory / "locked"
    into.mkdir()
    times: dict[str, list[float]] = {_OURS: [], _OURS_UNLOCKED: []}
    for _ in range(LOCKDOWN_ROUNDS):
        for program, all_ in times.items():
            all_.append(median(_run(program, original, into, STANDARD_SIZES)))
    locked_ms, unlocked_ms = (1000 * median(all_) for all_ in times.values())
    ratio = locked_ms / unlocked_ms
    return Figure(
        what="CPU for four WebP renditions, locked down",
        ours=f"{locked_ms:.0f} ms",
        reference=f"not locked down {unlocked_ms:.0f} ms",
        compared=f"{ratio:.2f} ×",
        promise=f"≤ {LOCKDOWN_PROMISE} ×",
        kept=ratio <= LOCKDOWN_PROMISE,
    )


def _photo(directory: Path) -> Path:
    real = CORPUS / "good" / "photo-2725x2225.jpg"
    return real if real.is_file() else _drawn(directory, "photo", (2725, 2225))


def _drawn(directory: Path, name: str, size: drawing.Size) -> Path:
    file = directory / f"{name}.jpg"
    file.write_bytes(drawing.encode(drawing.photo(1, size), "jpeg"))
    return file


def _compare(directory: Path, original: Path, sizes: tuple[str, ...]) -> Compared:
    """In turns, so that whatever else the machine does meets both."""
    ours, vips = directory / "ours", directory / "vips"
    ours.mkdir(parents=True)
    vips.mkdir()
    times: dict[Path, list[float]] = {ours: [], vips: []}
    for _ in range(ROUNDS):
        for program, into in ((_OURS, ours), (_VIPS, vips)):
            times[into] += _run(program, original, into, sizes)
    medians = {into: 1000 * sorted(all_)[len(all_) // 2] for into, all_ in times.items()}
    return Compared(medians[ours], medians[vips], ours, vips)


def _run(program: str, original: Path, into: Path, sizes: tuple[str, ...]) -> list[float]:
    """The times of all turns, which come by a descriptor of their own: a renderer has no output."""
    script = 'exec 3>&1 1>&2; exec "$@"'
    command = ["sh", "-c", script, "sh", sys.executable, "-c", program, str(original), str(into), *sizes]
    result: list[float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return result


def _cpu(what: str, compared: Compared, promise: float = CPU_PROMISE) -> Figure:
    ratio = compared.ours_ms / compared.vips_ms
    return Figure(
        what=f"CPU for {what}",
        ours=f"{compared.ours_ms:.0f} ms",
        reference=f"libvips {compared.vips_ms:.0f} ms",
        compared=f"{ratio:.2f} ×",
        promise=f"≤ {promise} ×",
        kept=ratio <= promise,
    )


def _similarity(original: Path, compared: Compared) -> Figure:
    """Of the rendition that comes off worst beside libvips'."""
    with Image.open(original) as image:
        whole = image.convert("RGB")
    pairs = {}
    for size in STANDARD_SIZES:
        exact = whole.resize(SIZES[size].fit(*whole.size), Image.Resampling.LANCZOS)
        pairs[size] = tuple(_ssim(exact, into / f"{size}.webp") for into in (compared.ours, compared.vips))
    worst = min(pairs, key=lambda size: pairs[size][0] - pairs[size][1])
    ours, vips = pairs[worst]
    return Figure(
        what=f"similarity (SSIM) to an exact rendition, worst of four: {worst}",
        ours=f"{ours:.4f}",
        reference=f"libvips {vips:.4f}",
        compared=f"{ours - vips:+.4f}",
        promise=f"≥ −{SIMILARITY_PROMISE}",
        kept=ours - vips >= -SIMILARITY_PROMISE,
    )


def _bytes(compared: Compared) -> Figure:
    sizes = [
        [(into / f"{size}.webp").stat().st_size for size in STANDARD_SIZES]
        for into in (compared.ours, compared.vips)
    ]
    ratio = max(ours / vips for ours, vips in zip(*sizes, strict=True))
    return Figure(
        what="bytes of a rendition, worst of four",
        ours=f"{sum(sizes[0]) / 1000:.0f} kB all",
        reference=f"libvips {sum(sizes[1]) / 1000:.0f} kB all",
        compared=f"{ratio:.3f} ×",
        promise=f"≤ {BYTES_PROMISE} ×",
        kept=ratio <= BYTES_PROMISE,
    )


def _ssim(exact: Image.Image, rendition: Path) -> float:
    import pyvips  # noqa: PLC0415 - a library of this benchmark alone

    weights = [exp(-((i - 5) ** 2) / (2 * 1.5**2)) for i in range(11)]
    window = pyvips.Image.new_from_array([[weight / sum(weights) for weight in weights]])

    def luma(image: Image.Image) -> Any:
        grey = image.convert("L")
        return pyvips.Image.new_from_memory(grey.tobytes(), *grey.size, 1, "uchar").cast("double")

    def mean(image: Any) -> Any:
        return image.convsep(window, precision="float").crop(5, 5, image.width - 10, image.height - 10)

    with Image.open(rendition) as image:
        one, other = luma(exact), luma(image)
    mean_one, mean_other = mean(one), mean(other)
    spread_one = mean(one * one) - mean_one * mean_one
    spread_other = mean(other * other) - mean_other * mean_other
    common = mean(one * other) - mean_one * mean_other
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    alike = (2 * mean_one * mean_other + c1) * (2 * common + c2)
    most = (mean_one * mean_one + mean_other * mean_other + c1) * (spread_one + spread_other + c2)
    return float((alike / most).avg())

#!/usr/bin/env bash
# About: colorthief, the dominant colours of a picture, for the ground that is shown before it.
# Guess: get_palette(3) gives three colours at most, each of three bytes, and fewer where the picture has fewer.
# Behaviour: four where three were asked for (and seven where eight were); of a picture in one colour the same one again and again,
#   and for pure red a channel of 256: written as #RRGGBB that is seven digits, which browsers drop. A white picture is an exception.
# Versions: colorthief 0.2.1, Pillow 13.0.0. Source: observed.
source "$(dirname "$0")/sandbox.sh"
packages colorthief==0.2.1 pillow==13.0.0
in_python <<'PYTHON'
import io, sys
from colorthief import ColorThief
from PIL import Image

def palette(picture, colors):
    written = io.BytesIO()
    picture.save(written, "PNG")
    written.seek(0)
    return ColorThief(written).get_palette(colors, quality=1)

def plain(color):
    return Image.new("RGB", (64, 64), color)

quarters = plain("red")
for corner, color in (((32, 0), "lime"), ((0, 32), "blue"), ((32, 32), "gold")):
    quarters.paste(color, (*corner, corner[0] + 32, corner[1] + 32))
counts = {colors: len(palette(quarters, colors)) for colors in (2, 3, 4, 8)}
red = palette(plain("red"), 3)
css = "#%02x%02x%02x" % red[1]
try:
    white = palette(plain("white"), 3)
except Exception as error:
    white = str(error)
print("asked for, and got, of four colours:", counts)
print("three of a red picture:", red, "the second as CSS:", css)
print("three of a white picture:", white)
sys.exit((counts, max(red[1]), len(css)) != ({2: 3, 3: 4, 4: 4, 8: 7}, 256, 8) or not isinstance(white, str))
PYTHON

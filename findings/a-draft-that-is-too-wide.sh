#!/usr/bin/env bash
# About: Pillow's draft() of a JPEG, which decodes a half, a quarter or an eighth of it, and resize() behind it.
# Guess: what was decoded is the whole picture, so that resize((width, height)) makes what it makes of the whole, a little softer.
# Behaviour: an eighth of 1001 pixels is 125.125, and 126 are decoded: the last one repeats the edge. Who scales all of them makes a picture
#   that is squeezed to the left, by half a pixel at 80 across: it differs from the exact one nine times as much as it has to. draft()
#   returns how much of it is the picture (with fractions), and resize() takes that as its `box`, as thumbnail() does by itself.
# Version: Pillow 13.0.0. Source: draft()'s documentation has one sentence about what it returns; what it is for is in thumbnail()'s code; observed.
source "$(dirname "$0")/sandbox.sh"
packages pillow==13.0.0
in_python <<'PYTHON'
import sys
from io import BytesIO
from PIL import Image, ImageChops, ImageDraw, ImageStat

size, small = (1001, 1001), (80, 80)
drawn = Image.new("RGB", size, "white")
pen = ImageDraw.Draw(drawn)
for at in range(0, 1001, 91):
    pen.rectangle((at, 0, at + 45, 1001), "black")
body = BytesIO()
drawn.save(body, "JPEG", quality=95)

def opened():
    return Image.open(BytesIO(body.getvalue()))

exact = opened().convert("RGB").resize(small, Image.Resampling.LANCZOS)

def far(image):
    return max(ImageStat.Stat(ImageChops.difference(image, exact)).mean)

image = opened()
_, box = image.draft(None, (120, 120))
all_of_it = image.resize(small, Image.Resampling.LANCZOS)
in_its_box = image.resize(small, Image.Resampling.LANCZOS, box)
print(f"decoded {image.size}, of which {box[2:]} are the picture")
print(f"mean difference from the exact one: {far(all_of_it):.1f} of 255 when all is scaled, {far(in_its_box):.1f} when its box is")
sys.exit(not (image.size == (126, 126) and box[2:] == (125.125, 125.125) and far(all_of_it) > 2 * far(in_its_box)))
PYTHON

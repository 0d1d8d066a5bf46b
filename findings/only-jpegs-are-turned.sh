#!/usr/bin/env bash
# About: imagesize 2, the size of a picture from its head, for width and height on a page.
# Guess: as stored, for every format (as Pillow's .size and its own version 1); or else as shown, for every format.
# Behaviour: both: a JPEG whose EXIF says "turn by 90°" comes with its sides exchanged since 2.0, a PNG or WebP that says the
#   same does not. Who turned sizes for 1.x turns JPEGs twice, and who stopped doing so shows WebPs lying.
# Versions: imagesize 2.0.1 (1.4.1 turns none), Pillow 13.0.0 to write the samples. Source: observed.
source "$(dirname "$0")/sandbox.sh"
packages imagesize==2.0.1 pillow==13.0.0
in_python <<'PYTHON'
import io, sys
import imagesize
from PIL import Image

exif = Image.Exif()
exif[0x0112] = 6  # to be turned by 90 degrees

def size(kind, **settings):
    written = io.BytesIO()
    Image.new("RGB", (64, 32), "red").save(written, kind, **settings)
    written.seek(0)
    return imagesize.get(written)

seen = {kind: (size(kind), size(kind, exif=exif)) for kind in ("JPEG", "PNG", "WEBP")}
print("64x32, upright and to be turned:", seen)
lying, standing = (64, 32), (32, 64)
sys.exit(seen != {"JPEG": (lying, standing)} | dict.fromkeys(("PNG", "WEBP"), (lying, lying)))
PYTHON

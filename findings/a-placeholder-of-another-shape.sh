#!/usr/bin/env bash
# About: ThumbHash (thash), which says that a placeholder's shape comes with it, so that no width and height need be sent.
# Guess: its aspect ratio is within a few per cent of the picture's, so that nothing on the page moves when the picture comes.
# Behaviour: the shape is rounded to sevenths, fifths where there is a single pixel that is not opaque: a poster (2:3)
#   comes out 7 % too wide, the same poster with one softer corner 10 % too narrow, TVDB's banner (758×140) 29 % too wide,
#   a logo (800×310) 10 % too narrow. Send width and height besides.
# Version: thash 1.2.1. Source: the name of its function says "approximate", no figure is given; observed.
source "$(dirname "$0")/sandbox.sh"
packages thash==1.2.1
in_python <<'PYTHON'
import sys
from thash import rgba_to_thumb_hash, thumb_hash_to_approximate_aspect_ratio

def error(width, height, soft_corner=False):
    """Of the aspect ratio that the hash of a picture of this shape tells, in per cent."""
    scale = 100 / max(width, height)
    small = round(width * scale), round(height * scale)
    pixels = bytearray(b"\xc8\x50\x28\xff" * (small[0] * small[1]))
    if soft_corner:
        pixels[3] = 254
    told = thumb_hash_to_approximate_aspect_ratio(rgba_to_thumb_hash(*small, bytes(pixels)))
    return round(100 * (told / (width / height) - 1), 1)

seen = {}
for name, width, height in (("poster", 1000, 1500), ("backdrop", 1920, 1080), ("banner", 758, 140), ("logo", 800, 310)):
    seen[name] = error(width, height), error(width, height, soft_corner=True)
    print(f"{name} {width}x{height}: {seen[name][0]:+} %, with one pixel not quite opaque {seen[name][1]:+} %")
sys.exit(not (seen["poster"][0] > 6 and seen["poster"][1] < -9 and seen["banner"][0] > 28))
PYTHON

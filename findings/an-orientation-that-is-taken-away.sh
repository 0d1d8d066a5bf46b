#!/usr/bin/env bash
# About: Pillow, one picture written in several formats (AVIF, then WebP and JPEG for older browsers) with its EXIF: `exif = image.getexif()`,
#   and save(…, exif=exif) for each.
# Guess: save reads what it is given; every file says how the picture is to be turned.
# Behaviour: saving as AVIF takes the orientation out of the Exif object that was handed in (AVIF has a box of its own for it): the AVIF stands
#   upright, and every file that is written after it with that object lies on its side. In the order JPEG, WebP, AVIF all are right. Hand in
#   exif.tobytes(), which stays as it is.
# Version: Pillow 13.0.0 (12.0.0 as well). Source: Pillow's documentation of AVIF speaks of `exif` as what is to be included; observed.
source "$(dirname "$0")/sandbox.sh"
packages pillow==13.0.0
in_python <<'PYTHON'
import io, sys
from PIL import Image

ORIENTATION = 0x0112
photo = Image.new("RGB", (64, 32), "teal")

def orientations(kinds, as_bytes=False):
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # to be turned by 90 degrees
    exif[0x010E] = "a poster"
    seen = {}
    for kind in kinds:
        photo.save(out := io.BytesIO(), kind, exif=exif.tobytes() if as_bytes else exif)
        with Image.open(out) as read:
            seen[kind] = read.getexif().get(ORIENTATION)
    return seen

first = orientations(["AVIF", "WEBP", "JPEG", "PNG"])
last = orientations(["PNG", "JPEG", "WEBP", "AVIF"])
in_bytes = orientations(["AVIF", "WEBP", "JPEG", "PNG"], as_bytes=True)
print("orientation as read, AVIF written first:", first)
print("AVIF written last:", last)
print("AVIF first, exif.tobytes():", in_bytes)
lost = {"AVIF": 6, "WEBP": None, "JPEG": None, "PNG": None}
sys.exit(not (first == lost and set(last.values()) == set(in_bytes.values()) == {6}))
PYTHON

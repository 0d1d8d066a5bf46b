#!/usr/bin/env bash
# About: pillow-heif, a JPEG that stands by its EXIF, converted with its metadata: image.save("photo.heic", exif=image.getexif()), as Pillow's other
#   formats need it.
# Guess: the HEIC stands, with or without exif=: with it at the latest, as WebP, AVIF and PNG do.
# Behaviour: without exif= it stands; with the Exif object the orientation is only in the metadata, which HEIF's readers must not turn by, and the
#   photo lies on its side in every viewer and when it is opened again. The same as bytes, exif=image.getexif().tobytes(), stands.
# Versions: pillow-heif 1.8.1, Pillow 13.0.0. Source: pillow-heif's pull request 168 (the orientation goes from EXIF to the encoder); that an Exif object is
#   not looked at was observed.
source "$(dirname "$0")/sandbox.sh"
packages pillow-heif==1.8.1 pillow==13.0.0
in_python <<'PYTHON'
import io, sys
import pillow_heif
from PIL import Image, ImageOps

pillow_heif.register_heif_opener()
exif = Image.Exif()
exif[0x0112] = 6  # to be turned by 90 degrees
Image.new("RGB", (128, 64), "teal").save(jpeg := io.BytesIO(), "JPEG", exif=exif)

def shown(kind, settings):
    image = Image.open(jpeg)
    image.save(out := io.BytesIO(), kind, **settings(image))
    return ImageOps.exif_transpose(Image.open(out)).size

ways = {
    "nothing": lambda image: {},
    "exif=image.getexif()": lambda image: {"exif": image.getexif()},
    "exif=image.getexif().tobytes()": lambda image: {"exif": image.getexif().tobytes()},
}
seen = {kind: {name: shown(kind, way) for name, way in ways.items()} for kind in ("HEIF", "WEBP", "AVIF", "PNG")}
for kind, sizes in seen.items():
    print(f"{kind}, as shown: {sizes}")
standing, lying = (64, 128), (128, 64)
others = [list(sizes.values()) for kind, sizes in seen.items() if kind != "HEIF"]
sys.exit(not (list(seen["HEIF"].values()) == [standing, lying, standing] and all(sizes == [lying, standing, standing] for sizes in others)))
PYTHON

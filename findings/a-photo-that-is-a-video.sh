#!/usr/bin/env bash
# About: puremagic, what kind of picture an upload is, by its first bytes.
# Guess: HEIC, what phones make, is image/heic or image/heif, and JPEG 2000 image/jp2; where it is unsure there is a low confidence.
# Behaviour: a HEIC is video/mp4 and a JP2 is image/jpeg, each with 0.8, its highest confidence here: two fit equally, and the first
#   one wins. magic_string() has the right one further down. An SVG is named as such only where the tag is its first byte: behind an
#   XML declaration it is application/xml. Take the brand behind "ftyp" yourself, or ask the decoder.
# Versions: puremagic 1.30, pillow-heif 1.8.1 and Pillow 13.0.0 to make the samples. Source: observed.
source "$(dirname "$0")/sandbox.sh"
packages puremagic==1.30 pillow-heif==1.8.1 pillow==13.0.0
in_python <<'PYTHON'
import io, sys
import puremagic, pillow_heif
from PIL import Image

pillow_heif.register_heif_opener()

def made(kind):
    out = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(out, kind)
    return out.getvalue()

svg = b'<svg xmlns="http://www.w3.org/2000/svg"/>'
samples = {"HEIC": made("HEIF"), "AVIF": made("AVIF"), "JP2": made("JPEG2000"), "SVG": svg,
           "SVG with declaration": b'<?xml version="1.0"?>\n' + svg}
seen = {}
for name, content in samples.items():
    first, *others = puremagic.magic_string(content)
    seen[name] = puremagic.from_string(content, mime=True)
    print(f"{name}: {seen[name]} ({first.confidence}), then", [(other.mime_type, other.confidence) for other in others][:3])
sys.exit(seen != {"HEIC": "video/mp4", "AVIF": "image/avif", "JP2": "image/jpeg", "SVG": "image/svg+xml",
                  "SVG with declaration": "application/xml"})
PYTHON

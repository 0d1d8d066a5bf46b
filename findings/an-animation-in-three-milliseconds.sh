#!/usr/bin/env bash
# About: Pillow, an animated poster changed from one format to another: image.save(…, save_all=True), for GIF, APNG, WebP and AVIF alike.
# Guess: each frame is shown for as long as in the file that was read, in all four.
# Behaviour: in GIF it is, and in AVIF each frame is shown for a millisecond: three frames of 250, 400 and 700 ms are over in three, AVIF to AVIF
#   included. WebP gives each the first one's time, and APNG made of a WebP shows the first frame for 0 ms. Every reader has the right times
#   in each frame's info["duration"]; gather them (seek, load, info) and hand them to save as duration=[…]. The first frame of a WebP or AVIF tells its
#   time only after load(), so that duration=image.info.get("duration", 0) is 0.
# Version: Pillow 13.0.0. Source: Pillow's pull requests 5338 and 6265 (WebP by the first frame, GIF by each) and its documentation of AVIF, where the
#   default is 0; that this is a millisecond was observed.
source "$(dirname "$0")/sandbox.sh"
packages pillow==13.0.0
in_python <<'PYTHON'
import io, sys
from PIL import Image

TIMES = [250, 400, 700]
KINDS = ["GIF", "PNG", "WEBP", "AVIF"]
first, *others = (Image.new("RGB", (40, 60), colour) for colour in ("red", "green", "blue"))

def written(image, kind, **settings):
    image.save(out := io.BytesIO(), kind, save_all=True, **settings)
    return out

def times(file):
    shown = []
    with Image.open(file) as image:
        for number in range(image.n_frames):
            image.seek(number)
            image.load()
            shown.append(round(image.info["duration"]))
    return shown

sources = {kind: written(first, kind, append_images=others, duration=TIMES) for kind in KINDS}
assert all(times(file) == TIMES for file in sources.values())
seen = {}
for source, file in sources.items():
    seen[source] = {kind: times(written(Image.open(file), kind)) for kind in KINDS}
    print(f"{source} {TIMES} to", seen[source])
given = times(written(Image.open(sources["WEBP"]), "AVIF", duration=times(sources["WEBP"])))
print("WEBP to AVIF with its own times as duration=[…]:", given)
expected = {"GIF": TIMES, "PNG": TIMES, "WEBP": [250] * 3, "AVIF": [1] * 3}
sys.exit(not (given == TIMES and all(seen[source] == expected | ({"PNG": [0, 400, 700]} if source == "WEBP" else {}) for source in KINDS)))
PYTHON

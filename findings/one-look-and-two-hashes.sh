#!/usr/bin/env bash
# About: ImageHash, whether two pictures look alike (the same logo from two hosts).
# Guess: what is fully transparent does not count, or counts as one ground: two logos that every viewer shows alike are 0 apart.
# Behaviour: the transparency is thrown away and the colours below it are compared: of 64 bits 17 to 44 differ (about 10 are
#   usually taken as "another picture"). Optimisers and editors change such colours freely, so the same logo is kept twice.
# Versions: ImageHash 4.3.2, Pillow 13.0.0, numpy 2.4.6. Source: observed.
source "$(dirname "$0")/sandbox.sh"
packages imagehash==4.3.2 pillow==13.0.0 numpy==2.4.6
in_python <<'PYTHON'
import sys
import imagehash
from PIL import Image, ImageChops

def logo(ground):
    picture = Image.merge("RGBA", (*ground.convert("RGB").split(), Image.new("L", ground.size, 0)))
    picture.paste((200, 30, 30, 255), (32, 32, 96, 96))
    return picture

def shown(picture):
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)

black, gradient = logo(Image.new("L", (128, 128), 0)), logo(Image.linear_gradient("L").resize((128, 128)).rotate(90))
alike = ImageChops.difference(shown(black), shown(gradient)).getbbox(alpha_only=False) is None
apart = {hashed.__name__: hashed(black) - hashed(gradient)
         for hashed in (imagehash.average_hash, imagehash.phash, imagehash.dhash)}
composed = {name: getattr(imagehash, name)(shown(black)) - getattr(imagehash, name)(shown(gradient)) for name in apart}
print("every viewer shows them alike:", alike, "- apart by:", apart, "- put on white first:", composed)
sys.exit(not alike or min(apart.values()) < 10 or any(composed.values()))
PYTHON

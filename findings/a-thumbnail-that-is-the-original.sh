#!/usr/bin/env bash
# About: pillow-jxl-plugin, a JPEG from the disk made smaller (thumbnail) or painted over (paste, draw), and saved as JPEG XL.
# Guess: what is saved is what the image now is, as with every other format of Pillow.
# Behaviour: the file on the disk is read again and packed whole: the thumbnail has the size of the original, and what was covered is
#   visible. It goes by the object's format and filename, which methods that work in place leave alone; what a method
#   returns (resize, convert), and a JPEG opened from memory, is saved as it is, so that tests without files pass. A UserWarning speaks of
#   reconstruction. lossless_jpeg=False brings back what was guessed.
# Versions: pillow-jxl-plugin 1.3.8, Pillow 13.0.0. Source: its README shows a JPEG that is opened and saved untouched; that changes are
#   lost was observed. Its issue 102 (closed) asks about the size of such files.
source "$(dirname "$0")/sandbox.sh"
packages pillow-jxl-plugin==1.3.8 pillow==13.0.0
in_python "$work/poster.jpg" <<'PYTHON'
import io, sys
from pathlib import Path
import pillow_jxl
from PIL import Image

described = Image.Exif()
described[0x010E] = "where it was taken"
poster = Path(sys.argv[1])
Image.new("RGB", (400, 600), "white").save(poster, exif=described)

def saved(image, **settings):
    image.save(out := io.BytesIO(), "JXL", **settings)
    with Image.open(out) as read:
        return read.size, read.convert("RGB").getpixel((5, 5)), read.getexif().get(0x010E)

def opened(source):
    return Image.open(source)

def small(source):
    image = opened(source)
    image.thumbnail((40, 60))
    return image

def covered(source):
    image = opened(source)
    image.paste("black", (0, 0, *image.size))
    return image

seen = {
    "thumbnail of a file": saved(small(poster)),
    "file painted black": saved(covered(poster)),
    "resize of a file": saved(opened(poster).resize((40, 60))),
    "thumbnail of the same bytes": saved(small(io.BytesIO(poster.read_bytes()))),
    "thumbnail with lossless_jpeg=False": saved(small(poster), lossless_jpeg=False),
}
for name, (size, colour, text) in seen.items():
    print(f"{name}: {size}, colour {colour}, {text}")
whole, black, *right = seen.values()
original = ((400, 600), (255, 255, 255), "where it was taken")
sys.exit(not (whole == black == original and all(size == (40, 60) for size, *_ in right)))
PYTHON

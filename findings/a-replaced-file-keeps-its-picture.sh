#!/usr/bin/env bash
# About: pyvips, a picture that is replaced under its name (written beside it and renamed, as it should be).
# Guess: new_from_file opens the file; after os.replace it shows the new one.
# Behaviour: libvips keeps the last operations by their arguments, and a file's name is the argument: the process goes on
#   with the old picture, its old size included, for as long as it stays among the last 100 operations, while Image.thumbnail of the
#   same name shows the new one. revalidate=True (or cache_set_max(0), or buffers instead of names) helps.
# Versions: pyvips 3.2.0, libvips 8.18 (pyvips-binary 8.18.7). Source: libvips documents `revalidate` for the loaders;
#   that thumbnail differs was observed.
source "$(dirname "$0")/sandbox.sh"
packages pyvips==3.2.0 pyvips-binary==8.18.7
in_python "$work" <<'PYTHON'
import os, sys
import pyvips

poster = f"{sys.argv[1]}/poster.png"

def put(side, color):
    picture = pyvips.Image.black(side, side, bands=3) + color
    with open(f"{poster}.new", "wb") as file:
        file.write(picture.cast("uchar").copy(interpretation="srgb").pngsave_buffer())
    os.replace(f"{poster}.new", poster)

def shown(picture):
    return picture.width, [round(value) for value in picture.getpoint(0, 0)]

put(8, [255, 0, 0])
before = shown(pyvips.Image.new_from_file(poster))
pyvips.Image.thumbnail(poster, 4).getpoint(0, 0)
put(16, [0, 255, 0])
after = shown(pyvips.Image.new_from_file(poster))
thumbnail = shown(pyvips.Image.thumbnail(poster, 4))
revalidated = shown(pyvips.Image.new_from_file(poster, revalidate=True))
print("before", before, "| replaced", after, "| thumbnail of it", thumbnail, "| revalidate=True", revalidated)
sys.exit((before, after, revalidated) != ((8, [255, 0, 0]), (8, [255, 0, 0]), (16, [0, 255, 0]))
         or thumbnail != (4, [0, 255, 0]))
PYTHON

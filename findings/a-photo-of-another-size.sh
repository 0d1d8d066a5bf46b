#!/usr/bin/env bash
# About: image-size and probe-image-size, the width and height of a HEIC for the page that shows it.
# Guess: what a viewer shows: 100x50 is 100x50.
# Behaviour: what is coded has even sides (and 64 at least, from x265), and a box (clap) says what of it is the picture. probe-image-size does not
#   read it: 100x64. image-size does, but takes the denominator of its width, 1, for what is to be cut off: 99x64; and, as it takes the next
#   such box in the file, a photo of 640x400 that has none is 639x400 where its thumbnail has one. Even sizes from 64 on,
#   without such a thumbnail, are right.
# Versions: image-size 2.1.0, probe-image-size 7.5.0, Node 20; pillow-heif 1.8.1 and Pillow 13.0.0 to make the samples. Source: ISO/IEC 14496-12,
#   12.1.4 (clap: numerator and denominator of each side); image-size's dist/cjs/types/heif.js; observed.
source "$(dirname "$0")/sandbox.sh"
packages pillow-heif==1.8.1 pillow==13.0.0
node_packages image-size@2.1.0 probe-image-size@7.5.0
in_python "$work" <<'PYTHON'
import sys
from pathlib import Path
import pillow_heif
from PIL import Image

pillow_heif.register_heif_opener()
samples = {"100x50": {}, "641x401": {}, "1000x1500": {}, "640x400": {}, "640x400-thumbnail": {"thumbnails": [64]}}
for name, settings in samples.items():
    width, height = name.partition("-")[0].split("x")
    path = Path(sys.argv[1], f"{name}.heic")
    Image.new("RGB", (int(width), int(height)), "teal").save(path, **settings)
    with Image.open(path) as read:
        print(f"{name}: pillow-heif reads {read.size}")
PYTHON
in_node "$work" <<'NODE'
import { readFileSync } from "node:fs";
import { imageSize } from "image-size";
import probe from "probe-image-size";

const seen = {};
for (const name of ["100x50", "641x401", "1000x1500", "640x400", "640x400-thumbnail"]) {
  const photo = readFileSync(`${process.argv[2]}/${name}.heic`);
  seen[name] = [imageSize(photo), probe.sync(photo)].map(({ width, height }) => `${width}x${height}`);
  console.log(`${name}: image-size ${seen[name][0]}, probe-image-size ${seen[name][1]}`);
}
const told = JSON.stringify(Object.values(seen));
process.exit(told === JSON.stringify([["99x64", "100x64"], ["641x402", "642x402"], ["1000x1500", "1000x1500"], ["640x400", "640x400"], ["639x400", "640x400"]]) ? 0 : 1);
NODE

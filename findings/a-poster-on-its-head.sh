#!/usr/bin/env bash
# About: probe-image-size, whose `orientation` tells a page how a picture lies, for AVIF as for JPEG, by EXIF's numbers.
# Guess: the same picture has the same number in every format: 6 is 6.
# Behaviour: in AVIF 6 and 8 are exchanged, and the others right: an AVIF that is to be turned right is turned left, and stands on its head, where
#   the JPEG that was made with it is upright. The box in AVIF counts quarters against the clock, EXIF's 6 is one with it.
# Versions: probe-image-size 7.5.0, Node 20; Pillow 13.0.0 makes the samples and reads them as sharp 0.35.5 shows them. Source: ISO/IEC 23008-12, 6.5.10
#   (irot: angle * 90 degrees, anti-clockwise); libavif's issue 2727 (the same exchange, once); observed.
source "$(dirname "$0")/sandbox.sh"
packages pillow==13.0.0
node_packages probe-image-size@7.5.0 sharp@0.35.5
in_python "$work" <<'PYTHON'
import sys
from pathlib import Path
from PIL import Image

poster = Image.new("RGB", (64, 32), "red")
poster.paste("blue", (0, 0, 32, 32))  # blue on the left
for orientation in (1, 3, 6, 8):
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = "a poster"
    for kind in ("jpeg", "avif"):
        poster.save(Path(sys.argv[1], f"{orientation}.{kind}"), exif=exif.tobytes(), quality=95)
PYTHON
in_node "$work" <<'NODE'
import { readFileSync } from "node:fs";
import probe from "probe-image-size";
import sharp from "sharp";

const TURNS = { 1: 0, 3: 180, 6: 90, 8: 270 };
const colour = async (image) => {
  const { data, info } = await image.removeAlpha().raw().toBuffer({ resolveWithObject: true });
  return data[(2 * info.width + 2) * info.channels] > 128 ? "red" : "blue"; // at the top left
};
const seen = {};
for (const orientation of Object.keys(TURNS)) {
  const [jpeg, avif] = ["jpeg", "avif"].map((kind) => readFileSync(`${process.argv[2]}/${orientation}.${kind}`));
  const told = [jpeg, avif].map((file) => probe.sync(file).orientation ?? 1);
  const shown = await Promise.all([jpeg, avif].map((file) => colour(sharp(file).autoOrient())));
  seen[orientation] = told.join();
  console.log(`${orientation}: probe-image-size ${told[0]} in JPEG, ${told[1]} in AVIF; sharp shows ${shown.join(" and ")} at the top left`);
  if (shown[0] !== shown[1]) process.exit(1);
}
process.exit(JSON.stringify(seen) === JSON.stringify({ 1: "1,1", 3: "3,3", 6: "6,8", 8: "8,6" }) ? 0 : 1);
NODE

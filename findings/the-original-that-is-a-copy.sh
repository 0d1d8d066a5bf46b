#!/usr/bin/env bash
# About: IPX, the picture server of Nuxt and others, asked for "the original image", as its README has it: /_/poster.jpg.
# Guess: the file's bytes, as nothing is to be changed; or, where it is written anew, the same picture: upright, and moving if it moves.
# Behaviour: it is compressed again with loss, and without its EXIF and without being turned by it: a telephone's photo lies on its side, here and
#   in every size. An animated WebP comes as its first frame. And its own Last-Modified, sent back as If-Modified-Since, is
#   answered 200 with all bytes, unless the file was written on a full second; If-None-Match is answered 304. sharpOptions: { autoOrient: true }
#   turns, /animated/poster.webp moves, and the bytes themselves have to be served by something else.
# Versions: ipx 3.1.1 with sharp 0.34.5, Node 20. Source: its README ("Get original image"); its issue 81 (closed; of turning); observed.
source "$(dirname "$0")/sandbox.sh"
node_packages ipx@3.1.1 sharp@0.34.5
in_node "$work" <<'NODE'
import http from "node:http";
import { readFileSync, utimesSync, writeFileSync } from "node:fs";
import { createIPX, createIPXNodeServer, ipxFSStorage } from "ipx";
import sharp from "sharp";

const folder = process.argv[2];
const frame = (background) => sharp({ create: { width: 80, height: 40, channels: 3, background } }).png().toBuffer();
writeFileSync(`${folder}/photo.jpg`, await sharp(await frame("teal")).withMetadata({ orientation: 6 }).jpeg({ quality: 100 }).toBuffer());
const frames = [await frame("red"), await frame("blue")];
writeFileSync(`${folder}/poster.webp`, await sharp(frames, { join: { animated: true } }).webp({ lossless: true }).toBuffer());
utimesSync(`${folder}/photo.jpg`, 1_700_000_000.5, 1_700_000_000.5);
const serving = async (sharpOptions) => {
  const server = http.createServer(createIPXNodeServer(createIPX({ storage: ipxFSStorage({ dir: folder }), sharpOptions })));
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  return (path, headers = {}) => fetch(`http://127.0.0.1:${server.address().port}${path}`, { headers });
};
const get = await serving();
const turning = await serving({ autoOrient: true });
const seen = {};
const described = async (answer, path) => {
  const bytes = Buffer.from(await answer.arrayBuffer());
  const { width, height, orientation, pages } = await sharp(bytes).metadata();
  const stored = readFileSync(`${folder}/${path.split("/").pop()}`);
  return `${width}x${height}, orientation ${orientation ?? 1}, ${pages ?? 1} frames, ${bytes.equals(stored) ? "the file's" : "other"} bytes`;
};
for (const path of ["/_/photo.jpg", "/w_40/photo.jpg", "/_/poster.webp", "/animated/poster.webp"]) seen[path] = await described(await get(path), path);
seen["/_/photo.jpg with autoOrient"] = await described(await turning("/_/photo.jpg"), "/_/photo.jpg");
const first = await get("/_/photo.jpg");
const since = await get("/_/photo.jpg", { "if-modified-since": first.headers.get("last-modified") });
const match = await get("/_/photo.jpg", { "if-none-match": first.headers.get("etag") });
seen.conditions = `If-Modified-Since ${since.status}, If-None-Match ${match.status}`;
console.log(seen);
const expected = ["80x40, orientation 1, 1 frames, other bytes", "40x20, orientation 1, 1 frames, other bytes",
  "80x40, orientation 1, 1 frames, other bytes", "80x40, orientation 1, 2 frames, other bytes", "40x80, orientation 1, 1 frames, other bytes",
  "If-Modified-Since 200, If-None-Match 304"];
process.exit(JSON.stringify(Object.values(seen)) === JSON.stringify(expected) ? 0 : 1);
NODE

#!/usr/bin/env bash
# About: feed (npm), RSS and Atom of new posters, each with its picture: image: { url, type: "image/jpeg", length }, or image: url alone.
# Guess: the type that was given is the type that is written, in both; without one it is by the file's ending, or none.
# Behaviour: in Atom the given type is thrown away, and one is made of what stands behind the last dot of the address, or of its whole path
#   where there is no dot: image/jpg (no such type), image//poster/2, and with a version in the path image/2/poster. RSS keeps a given type,
#   and makes the same ones where none was. So a feed that was tried with its RSS loses its pictures in readers of Atom, and addresses without
#   an ending, as picture servers have, lose them in both.
# Version: feed 6.0.0, Node 20. Source: RFC 6838, 4.2 (a type's name has no slash of its own) and its README (type and length of an enclosure); observed.
source "$(dirname "$0")/sandbox.sh"
node_packages feed@6.0.0
in_node <<'NODE'
import { Feed } from "feed";

const home = "https://library.example";
const types = (image) => {
  const feed = new Feed({ title: "New posters", id: `${home}/`, link: `${home}/`, copyright: "", updated: new Date(0) });
  feed.addItem({ title: "A film", id: `${home}/film/1`, link: `${home}/film/1`, date: new Date(0), image });
  return [/<enclosure [^>]*type="([^"]*)"/.exec(feed.rss2()), /<link rel="enclosure"[^>]*type="([^"]*)"/.exec(feed.atom1())].map((found) => found?.[1]);
};
const given = (path, type) => ({ url: home + path, type, length: 12345 });
const asked = {
  "/poster.jpg, image/jpeg": given("/poster.jpg", "image/jpeg"),
  "/poster/2, image/webp": given("/poster/2", "image/webp"),
  "/v1.2/poster, image/avif": given("/v1.2/poster", "image/avif"),
  "/poster.jpg": `${home}/poster.jpg`,
  "/poster/2": `${home}/poster/2`,
};
const seen = Object.fromEntries(Object.entries(asked).map(([name, image]) => [name, types(image)]));
for (const [name, [rss, atom]] of Object.entries(seen)) console.log(`${name}: RSS ${rss}, Atom ${atom}`);
const expected = [["image/jpeg", "image/jpg"], ["image/webp", "image//poster/2"], ["image/avif", "image/2/poster"],
  ["image/jpg", "image/jpg"], ["image//poster/2", "image//poster/2"]];
process.exit(JSON.stringify(Object.values(seen)) === JSON.stringify(expected) ? 0 : 1);
NODE

#!/usr/bin/env bash
# About: subtitles changed from WebVTT to SubRip and back (pysubs2, webvtt-py, subsrt-ts), "Tom & Jerry", "I <3 you".
# Guess: as WebVTT writes & and < as &amp; and &lt;, and SubRip does not, what changes the format changes these.
# Behaviour: none does. WebVTT's &amp; goes into the SubRip as it is, where players show all five letters; and SubRip's "I <3 you" into
#   the WebVTT, where browsers take what begins with < for a tag and show "I ". pysubs2 and webvtt-py's text lose what stands
#   between < and > altogether: "a < b and c > d" is "a  d" ("keep" settings of pysubs2 are for tags). Decode and encode yourself, for each cue.
# Versions: pysubs2 1.8.1, webvtt-py 0.6.0, subsrt-ts 2.1.2, Node 20. Source: W3C, WebVTT, 4.2.2 (cue text: escapes) and 6.4; observed.
source "$(dirname "$0")/sandbox.sh"
packages pysubs2==1.8.1 webvtt-py==0.6.0
node_packages subsrt-ts@2.1.2
in_python <<'PYTHON' || exit
import io, sys
import pysubs2, webvtt

vtt = "WEBVTT\n\n00:01.000 --> 00:02.000\nTom &amp; Jerry\n"
srt = "1\n00:00:01,000 --> 00:00:02,000\nI <3 you\n\n2\n00:00:03,000 --> 00:00:04,000\na < b and c > d\n"
cues = webvtt.from_string(vtt)
cues.write(out := io.StringIO(), format="srt")
seen = {
    "pysubs2, WebVTT to SubRip": pysubs2.SSAFile.from_string(vtt).to_string("srt"),
    "webvtt-py, WebVTT to SubRip": out.getvalue(),
    "pysubs2, SubRip to WebVTT": pysubs2.SSAFile.from_string(srt).to_string("vtt"),
    "webvtt-py, SubRip to WebVTT": webvtt.from_buffer(io.StringIO(srt), format="srt").content,
}
for name, text in seen.items():
    print(f"{name}: {[line for line in text.splitlines() if line[:1].isalpha() and line != 'WEBVTT']}")
to_subrip, to_webvtt = list(seen.values())[:2], list(seen.values())[2:]
sys.exit(not (all("Tom &amp; Jerry" in text for text in to_subrip) and all("I <3 you" in text for text in to_webvtt) and "a  d" in to_webvtt[0]))
PYTHON
in_node <<'NODE'
import subsrt from "subsrt-ts";

const { convert } = subsrt.convert ? subsrt : subsrt.default;
const subrip = convert("WEBVTT\n\n1\n00:00:01.000 --> 00:00:02.000\nTom &amp; Jerry\n", { format: "srt" });
const webvtt = convert("1\n00:00:01,000 --> 00:00:02,000\nI <3 you\n", { format: "vtt" });
console.log("subsrt-ts:", JSON.stringify(subrip), JSON.stringify(webvtt));
process.exit(subrip.includes("Tom &amp; Jerry") && webvtt.includes("I <3 you") ? 0 : 1);
NODE

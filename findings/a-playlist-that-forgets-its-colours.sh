#!/usr/bin/env bash
# About: m3u8, an HLS playlist that is read, changed a little (addresses through a proxy, variants left out) and written: loads(text).dumps().
# Guess: what is not changed is written as it was read; what the library does not know is kept, or named.
# Behaviour: attributes and tags that it does not know are gone: SUPPLEMENTAL-CODECS, by which players find Dolby Vision and HDR10+, SCORE, and
#   EXT-X-DEFINE, whose variables stay in the addresses as {$host}. One that it does know is written as no playlist may be: the
#   REQ-VIDEO-LAYOUT="CH-STEREO" of a film in 3D becomes REQ-VIDEO_LAYOUT=""CH-STEREO"". No error; the file plays, in plain colours. Change the
#   lines that are to be changed, rather than the parsed whole.
# Version: m3u8 6.0.0. Source: draft-pantos-hls-rfc8216bis, 4.2 (attribute lists), 4.4.2.3 (EXT-X-DEFINE) and 4.4.6.2; m3u8's pull request 365
#   (that it writes REQ-VIDEO-LAYOUT); observed.
source "$(dirname "$0")/sandbox.sh"
packages m3u8==6.0.0
in_python <<'PYTHON'
import re, sys
import m3u8

FILM = """#EXTM3U
#EXT-X-VERSION:12
#EXT-X-DEFINE:NAME="host",VALUE="library.example"
#EXT-X-STREAM-INF:BANDWIDTH=1280000,CODECS="hvc1.2.4.L153",SUPPLEMENTAL-CODECS="dvh1.08.07/db4h",SCORE=2.0,RESOLUTION=3840x2160
https://{$host}/2160.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=640000,CODECS="hvc1.2.4.L123",REQ-VIDEO-LAYOUT="CH-STEREO",RESOLUTION=1920x1080
https://{$host}/3d.m3u8
"""
written = m3u8.loads(FILM).dumps()
print(written)
attribute = r'[A-Z0-9-]+=(?:"[^"]*"|[^",\s]+)'
whole = re.compile(rf"#EXT-X-STREAM-INF:{attribute}(?:,{attribute})*")
streams = [line for line in written.splitlines() if line.startswith("#EXT-X-STREAM-INF")]
sound = [bool(whole.fullmatch(line)) for line in streams]
lost = [word for word in ("SUPPLEMENTAL-CODECS", "SCORE", "EXT-X-DEFINE", "REQ-VIDEO-LAYOUT") if word not in written]
print("lost:", lost, "streams whose attributes can be read:", sound)
assert all(whole.fullmatch(line) for line in FILM.splitlines() if line.startswith("#EXT-X-STREAM-INF"))
sys.exit(not (len(lost) == 4 and sound == [True, False] and "{$host}" in written and 'REQ-VIDEO_LAYOUT=""CH-STEREO""' in written))
PYTHON

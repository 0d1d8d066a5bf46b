#!/usr/bin/env bash
# About: the language of a track in Matroska, as FFmpeg (PyAV; ffprobe, and the media servers on it) and MediaInfo tell it, to choose a
#   poster's language, or what subtitles are missing.
# Guess: both read LanguageBCP47 where a file has it, version 4's element, which overrides Language; or say that they know none.
# Behaviour: FFmpeg knows Language alone, whose default is English: a track that says "de" by the newer element is `eng`, in so many
#   words, as if the file said it; zh-Hant beside the older "chi" is any Chinese, pt-BR any Portuguese. MediaInfo reads the newer one. mkvmerge
#   writes both (unless told not to), so that it shows in other writers' files first.
# Versions: PyAV 18.1.0 (its FFmpeg is printed), pymediainfo 7.0.1. Source: RFC 9559, 5.1.4.1.19 and 5.1.4.1.20 (Language must be ignored where
#   LanguageBCP47 is); observed.
source "$(dirname "$0")/sandbox.sh"
packages av==18.1.0 pymediainfo==7.0.1
in_python "$work/film.mkv" <<'PYTHON'
import sys
from pathlib import Path
import av
from pymediainfo import MediaInfo

def element(identifier, *contents):
    body = b"".join(
        content if isinstance(content, bytes)
        else content.encode() if isinstance(content, str)
        else content.to_bytes(max(1, (content.bit_length() + 7) // 8), "big")
        for content in contents
    )
    return bytes.fromhex(identifier) + (len(body) | 1 << 56).to_bytes(8, "big") + body

LANGUAGE, BCP47 = "22B59C", "22B59D"
tracks = [{BCP47: "de"}, {LANGUAGE: "chi", BCP47: "zh-Hant"}, {LANGUAGE: "por", BCP47: "pt-BR"}, {LANGUAGE: "ger"}, {}]
entries = [
    element("AE", element("D7", number), element("73C5", number), element("83", 17), element("86", "S_TEXT/UTF8"),
            *(element(identifier, language) for identifier, language in languages.items()))
    for number, languages in enumerate(tracks, 1)
]
header = element("1A45DFA3", element("4286", 1), element("42F7", 1), element("42F2", 4), element("42F3", 8), element("4282", "matroska"),
                 element("4287", 4), element("4285", 2))
about = element("1549A966", element("2AD7B1", 1_000_000), element("4D80", "finding"), element("5741", "finding"))
line = element("1F43B675", element("E7", 0), element("A0", element("A1", b"\x81\0\0\0", "Hallo"), element("9B", 1000)))
film = Path(sys.argv[1])
film.write_bytes(header + element("18538067", about, element("1654AE6B", *entries), line))
with av.open(str(film)) as container:
    ffmpeg = [stream.language for stream in container.streams]
mediainfo = [track.language for track in MediaInfo.parse(film).text_tracks]
print("libavformat", av.library_versions["libavformat"], "FFmpeg", getattr(av, "ffmpeg_version_info", "?"))
for languages, first, second in zip(tracks, ffmpeg, mediainfo, strict=True):
    print(f"file {list(languages.values())}: FFmpeg {first}, MediaInfo {second}")
sys.exit(not (ffmpeg == ["eng", "chi", "por", "ger", "eng"] and mediainfo == ["de", "zh-Hant", "pt-BR", "de", "en"]))
PYTHON

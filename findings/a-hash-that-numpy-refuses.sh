#!/usr/bin/env bash
# About: thash (ThumbHash in Python), rgba_to_thumb_hash(w, h, image.tobytes()), and somebody installs NumPy for something else.
# Guess: the same hash, faster: its README says that NumPy "enables a 100x+ faster encoder" of the same function.
# Behaviour: ValueError, could not convert string to float: with NumPy beside it the same call takes lists, bytearrays and arrays, and
#   no bytes. Whoever has a service that hashes finds every picture broken after an unrelated installation, NumPy being an
#   optional dependency that nobody named. Give it a memoryview or a list, or call rgba_to_thumb_hash_pure.
# Version: thash 1.2.1, numpy 2.4.6. Source: thash's docstring ("low-level encode from flat RGBA"); observed.
source "$(dirname "$0")/sandbox.sh"
packages thash==1.2.1
cat >"$work/seen.py" <<'PYTHON'
from thash import rgba_to_thumb_hash

flat = bytes(range(256))  # 8 × 8 pixels of RGBA

def hashed(pixels):
    try:
        return bytes(rgba_to_thumb_hash(8, 8, pixels)).hex()
    except ValueError as error:
        return f"ValueError({str(error)[:33]}…)"

print(hashed(flat), hashed(list(flat)) == hashed(memoryview(flat)), hashed(list(flat))[:8], sep="; ")
PYTHON
alone=$(timeout 60 "$work/venv/bin/python" "$work/seen.py")
timeout 500 "$work/venv/bin/pip" install -q --disable-pip-version-check numpy==2.4.6 >"$work/pip.log" 2>&1 || exit 2
beside=$(timeout 60 "$work/venv/bin/python" "$work/seen.py")
echo "bytes, without NumPy: $alone"
echo "bytes, with NumPy:    $beside"
[[ $alone != *ValueError* && $alone == *"True"* && $beside == "ValueError(could not convert string to float"*"True"* ]]

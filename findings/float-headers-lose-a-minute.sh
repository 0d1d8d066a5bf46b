#!/usr/bin/env bash
# About: pamqp, which writes aio-pika's messages: a time in a header, as time.time() gives it.
# Guess: a Python float is a double; AMQP's tables have doubles; the header comes back as it was.
# Behaviour: floats are written with single precision (type f, not d). Today's seconds since 1970 are only told apart in
#   steps of 128 seconds: a deadline or a trace's start in a header is up to 64 seconds off, without an error.
#   Microseconds as an int, or a datetime (whole seconds), arrive whole.
# Versions: pamqp 4.0.1 (aiormq 7.2.4, aio-pika 10.2.1). Source: observed.
source "$(dirname "$0")/sandbox.sh"
packages pamqp==4.0.1 aiormq==7.2.4 aio-pika==10.2.1
in_python <<'PYTHON'
import sys
from aio_pika import Message
from pamqp.decode import field_table
from pamqp.encode import field_table as encoded

worst, samples = 0.0, 0
for sent in (1_796_000_000.0 + step * 7.25 for step in range(2000)):
    headers = Message(b"", headers={"deadline": sent, "deadline_us": int(sent * 1e6)}).properties.headers
    _, received = field_table(encoded(headers))
    worst, samples = max(worst, abs(received["deadline"] - sent)), samples + 1
    assert received["deadline_us"] == int(sent * 1e6)
print(f"{samples} times sent as a float header; furthest off: {worst} s")
sys.exit(not 60 < worst <= 64)
PYTHON

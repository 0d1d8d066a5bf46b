"""What strangers said, in lines that somebody reads at a terminal."""

import pytest

from shared.telemetry.logs import MAX_FIELD, bound_fields


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("two\r\nlines", "two\\r\\nlines"),
        ("\x9b31m", "\\x9b31m"),
        ("gpj.\u202eexe", "gpj.\\u202eexe"),
        ("Amélie – 映画", "Amélie – 映画"),
        ("x" * (MAX_FIELD + 1), "x" * MAX_FIELD + "…"),
    ],
)
def test_what_would_act_on_a_terminal_is_escaped_and_what_is_too_long_cut(said: str, shown: str) -> None:
    line = {"location": said, "status": 200}
    bound_fields(line)
    assert line == {"location": shown, "status": 200}

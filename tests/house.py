"""What the code promises of its own shape, checked by `make lint`: `python -m tests.house`; and whether the packages it
stands on were looked through of late, checked by `make versions`.

A class name means one thing. Imports, and modules that hold a single small thing, stay a small share: what grows them is
a subject that was cut too fine.
"""

import ast
import io
import re
import sys
import tokenize
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

ROOTS = ("services", "shared")
IMPORTS_AT_MOST = 0.09
"""Of all lines of code."""

SMALL_LINES = 60
SMALL_AT_MOST = 0.09
"""Of all modules that are no package's `__init__`: those below SMALL_LINES with one class or function."""

_NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}
_DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass
class House:
    code: int = 0
    imports: int = 0
    modules: int = 0
    small: list[str] = field(default_factory=list)
    classes: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def look(self, path: Path) -> None:
        text = path.read_text()
        tree = ast.parse(text)
        self.code += _lines_of_code(text)
        self.imports += sum(
            (node.end_lineno or 0) - node.lineno + 1
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
        )
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                self.classes[node.name].append(str(path))
        if path.name != "__init__.py":
            self.modules += 1
            definitions = sum(isinstance(node, _DEFINITIONS) for node in tree.body)
            if definitions == 1 and text.count("\n") < SMALL_LINES:
                self.small.append(str(path))

    @property
    def twice(self) -> Mapping[str, Sequence[str]]:
        return {name: where for name, where in self.classes.items() if len(where) > 1}

    def problems(self) -> Iterator[str]:
        for name, where in self.twice.items():
            yield f"class {name} stands more than once: {', '.join(where)}"
        if self.imports > IMPORTS_AT_MOST * self.code:
            yield f"imports are {self.imports / self.code:.1%} of the code, at most {IMPORTS_AT_MOST:.0%}"
        if len(self.small) > SMALL_AT_MOST * self.modules:
            share = len(self.small) / self.modules
            yield f"{share:.1%} of the modules hold one small thing, at most {SMALL_AT_MOST:.0%}: {self.small}"


def _lines_of_code(text: str) -> int:
    """Lines that hold more than a comment; a docstring counts."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines)


def house() -> House:
    found = House()
    for root in ROOTS:
        for path in sorted(Path(root).rglob("*.py")):
            found.look(path)
    return found


LOOKED_THROUGH_WITHIN = timedelta(days=90)
"""Of the pinned versions: what is older may have faults that everybody knows."""


def neglected(constraints: str, today: date) -> str | None:
    """What to do where the pinned versions were last looked through too long ago; None: they are young enough."""
    said = re.search(r"^#.*looked through on (\d{4}-\d\d-\d\d)", constraints, re.MULTILINE)
    if said and today - date.fromisoformat(said[1]) <= LOOKED_THROUGH_WITHIN:
        return None
    last = said[1] if said else "a day that it does not say"
    return f"constraints.txt was looked through on {last}: see `make versions`, pin what is newer, and write today's date"


if __name__ == "__main__":
    old = neglected(Path("constraints.txt").read_text(), datetime.now(UTC).date())
    if "--versions" in sys.argv:
        sys.exit(old)
    if old:  # an old checkout is still what it was
        sys.stderr.write(f"{old}\n")
    sys.exit("\n".join(house().problems()) or 0)

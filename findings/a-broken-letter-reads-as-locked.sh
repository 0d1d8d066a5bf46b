#!/usr/bin/env bash
# About: SQLite through Python's sqlite3 and SQLAlchemy, a table of which one text has a byte that is no UTF-8, as other
#   programs leave them (SQLite itself does not look).
# Guess: UnicodeDecodeError, of that row; or a letter that stands in, as open(errors=...) can have it.
# Behaviour: OperationalError, the class of "database is locked", with which reading ends at that row: who tries again on it, as one
#   does while another program writes, tries for ever. It has no sqlite_errorcode by which the two could be told apart (AttributeError),
#   where a locked database has 5; and SQLAlchemy passes it on as its own OperationalError, which pools and retries take for a
#   connection in trouble. `connection.text_factory = lambda text: text.decode(errors="replace")` reads all rows.
# Versions: Python 3.11, SQLAlchemy 2.0.51. Source: CPython, Modules/_sqlite/cursor.c, _pysqlite_fetch_one_row; that it has no
#   error code was observed.
source "$(dirname "$0")/sandbox.sh"
packages SQLAlchemy==2.0.51
in_python "$work/letters.sqlite" <<'PYTHON'
import sqlite3, sys
from sqlalchemy import create_engine, exc, text

def code(error):
    return getattr(error, "sqlite_errorcode", None)

path = sys.argv[1]
connection = sqlite3.connect(path, isolation_level=None)
connection.execute("CREATE TABLE titles (title TEXT)")
connection.execute("INSERT INTO titles VALUES ('before'), (CAST(x'41ff42' AS TEXT)), ('behind')")

read, broken = [], None
try:
    for row in connection.execute("SELECT title FROM titles"):
        read.append(row[0])
except Exception as error:
    broken = error

connection.execute("BEGIN EXCLUSIVE")
try:
    sqlite3.connect(path, timeout=0).execute("SELECT title FROM titles").fetchall()
    locked = None
except Exception as error:
    locked = error
connection.execute("ROLLBACK")

with create_engine(f"sqlite:///{path}").connect() as engine:
    try:
        engine.execute(text("SELECT title FROM titles")).all()
        passed_on = None
    except exc.SQLAlchemyError as error:
        passed_on = error

connection.text_factory = lambda raw: raw.decode(errors="replace")
whole = [row[0] for row in connection.execute("SELECT title FROM titles")]
print("read before the broken one:", read)
print("broken:", type(broken).__name__, broken, "code:", code(broken))
print("locked:", type(locked).__name__, locked, "code:", code(locked))
print("SQLAlchemy:", type(passed_on).__name__)
print("with a text_factory:", whole)
same = type(broken) is type(locked) is sqlite3.OperationalError
sys.exit(not (same and (code(broken), code(locked)) == (None, 5) and type(passed_on) is exc.OperationalError and len(whole) == 3))
PYTHON

#!/usr/bin/env bash
# About: Alembic, two branches of migrations (pictures, library), one of which names the other's last in depends_on.
# Guess: after `upgrade heads` the table alembic_version has a row for the head of each branch, and a check at start
#   ("is pictures' newest revision there?") finds it.
# Behaviour: a revision that another one depends on has no row: only the dependent head is written. After
#   `downgrade library@base` it appears, though nothing of that branch was done. `upgrade library@head` brings the pictures' branch
#   along without its name. ScriptDirectory.get_all_current(heads) knows what is implied; the table does not.
# Versions: alembic 1.20.1, SQLAlchemy 2.1.9. Source: alembic's documentation, "Working with Branches", dependencies;
#   that the row is missing was observed.
source "$(dirname "$0")/sandbox.sh"
packages alembic==1.20.1 sqlalchemy==2.1.9
in_python "$work" <<'PYTHON'
import sqlite3, sys
from pathlib import Path
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

work = Path(sys.argv[1])
(work / "migrations/versions").mkdir(parents=True)
(work / "migrations/env.py").write_text(f"""
from alembic import context
from sqlalchemy import create_engine
with create_engine("sqlite:///{work}/library.db").connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
""")

def migration(name, after, depends_on=None, branch=None):
    (work / f"migrations/versions/{name}.py").write_text(f"""
from alembic import op
revision, down_revision, depends_on, branch_labels = {name!r}, {after!r}, {depends_on!r}, {branch!r}
def upgrade(): op.execute("CREATE TABLE t_{name} (id INTEGER)")
def downgrade(): op.execute("DROP TABLE t_{name}")
""")

def names(query):
    with sqlite3.connect(work / "library.db") as database:
        return sorted(row[0] for row in database.execute(query))

migration("pictures1", None, branch="pictures")
migration("pictures2", "pictures1")
migration("library1", None, branch="library")
migration("library2", "library1", depends_on="pictures2")
config = Config()
config.set_main_option("script_location", str(work / "migrations"))
config.set_main_option("path_separator", "os")
scripts = ScriptDirectory.from_config(config)
seen = []
for step, target in ((command.upgrade, "heads"), (command.downgrade, "library@base")):
    step(config, target)
    seen.append(names("SELECT version_num FROM alembic_version"))
    tables = names("SELECT name FROM sqlite_master WHERE name LIKE 't_%'")
    print(step.__name__, target, "->", "alembic_version:", seen[-1], "tables:", tables)
implied = sorted(script.revision for script in scripts.get_all_current(("library2",)))
print("implied by library2:", implied)
sys.exit(seen != [["library2"], ["pictures2"]] or "pictures2" not in implied)
PYTHON

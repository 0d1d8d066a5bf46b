"""What can go wrong with the database.

VolumeRefused
  DatabaseRefused      cannot be used as it is; ends the start
DatabaseUnavailable    did not do what was asked, now
"""

from shared.pictures import FailureClass
from shared.volume import VolumeRefused


class DatabaseRefused(VolumeRefused):
    """The database cannot be used as it is; the text says what to change."""


class DatabaseUnavailable(Exception):
    """A transaction was not done: the disk is full, the file went away, too many waited."""

    failure_class = FailureClass.OURS

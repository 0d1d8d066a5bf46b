"""How settings are read: from the environment, or a `.env` file, without a prefix, each by its owner."""

from shared.settings.hosts import HostSettings
from shared.settings.model import CommaList, Settings
from shared.settings.version import ONESHEET_VERSION

__all__ = ["ONESHEET_VERSION", "CommaList", "HostSettings", "Settings"]

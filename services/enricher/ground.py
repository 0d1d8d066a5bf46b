"""What every wing of the enricher stands on."""

from dataclasses import dataclass
from pathlib import Path

from services.enricher.database.database import Database
from services.enricher.pictures.shown import PictureUrls
from shared.background import Background
from shared.pictures import HostRules
from shared.queue import Queue
from shared.telemetry import Metrics
from shared.volume import KeeperVolume


@dataclass(frozen=True, slots=True)
class Ground:
    database: Database
    queue: Queue
    volume: KeeperVolume
    state_dir: Path
    """Of secrets and whatever is this server's alone."""

    urls: PictureUrls
    rules: HostRules
    """Which hosts pictures may come from."""

    metrics: Metrics
    background: Background

    @property
    def led(self) -> Background:
        """Of what one enricher does for all that share the database."""
        return self.background.led(self.database.sharing.lead)

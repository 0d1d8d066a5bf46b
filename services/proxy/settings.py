"""What can be set of the proxy."""

from pydantic import Field

from shared.settings import HostSettings, Settings


class ProxySettings(Settings):
    hosts: HostSettings = Field(default_factory=HostSettings)
    miss_wait_s: float = Field(5, validation_alias="MISS_WAIT", gt=0)
    """How long a browser's image waits for a miss."""
    miss_wait_others_s: float = Field(15, validation_alias="MISS_WAIT_OTHERS", gt=0)
    """How long anybody else waits: a media server would keep a missing picture for ever."""
    max_waiting: int = Field(2000, validation_alias="MAX_WAITING", gt=0)
    fetch_timeout_s: float = Field(60, validation_alias="FETCH_TIMEOUT", gt=0)

"""Where a service listens."""

from ipaddress import ip_address

from pydantic import Field

from shared.settings import Settings


class HttpSettings(Settings):
    host: str = Field("127.0.0.1", validation_alias="HOST")
    chosen_port: int | None = Field(None, validation_alias="PORT", ge=0, le=65535)
    """None: the service's own; 0: any free one, which is logged."""

    @property
    def is_local(self) -> bool:
        """Whether nobody reaches it but this machine."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def port(self, default: int) -> int:
        return default if self.chosen_port is None else self.chosen_port

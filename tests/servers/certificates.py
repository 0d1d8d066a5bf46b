"""A certificate of our own for this machine."""

import subprocess
from pathlib import Path


def made_certificate(directory: Path) -> dict[str, str]:
    """nginx's settings for it; it is in `certificate.pem`."""
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    command = (
        f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout {key} -out {certificate}"
        " -subj /CN=localhost -days 2 -addext subjectAltName=DNS:localhost,IP:127.0.0.1"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    return {"TLS_CERTIFICATE": str(certificate), "TLS_KEY": str(key)}

"""What RabbitMQ has to know before the services come: virtual host, users, rights and policies, as it imports them itself."""

import base64
import hashlib
import os
from urllib.parse import unquote, urlsplit

from services.command.server import CommandFailed, Exit
from shared.queue import Lane

SALT_BYTES = 4
"""As RabbitMQ documents its password hashes ("Passwords", rabbit_password_hashing_sha256)."""

BYTES_OF_A_QUEUE = 2 * 1024**3
"""What the messages of one queue may take of the broker's disk; more are refused, and the services say so."""

RIGHTS = "|".join((r"onesheet\..*", r"amq\.gen.*", *(lane.value.replace(".", r"\.") for lane in Lane)))
"""The names that the services declare: nothing else in the virtual host is theirs."""


def definitions(
    queue_url: str, management_url: str | None = None, *, salt: bytes | None = None
) -> dict[str, object]:
    """For `load_definitions`, or `rabbitmqctl import_definitions`. Raise CommandFailed for a URL without user and password."""
    queue = urlsplit(queue_url.partition(",")[0])
    if queue.scheme not in ("amqp", "amqps") or not (queue.username and queue.password):
        raise CommandFailed("QUEUE_URL has to be amqp://user:password@host:5672/vhost.", Exit.USAGE)
    vhost = unquote(queue.path.removeprefix("/")) or "/"
    user = unquote(queue.username)
    users = [_user(user, unquote(queue.password), "", salt)]
    permissions = [_permission(user, vhost, f"^({RIGHTS})$")]
    watching = urlsplit(management_url or "")
    if watching.username and watching.password and unquote(watching.username) != user:
        users.append(_user(unquote(watching.username), unquote(watching.password), "monitoring", salt))
        permissions.append(_permission(unquote(watching.username), vhost, "^$", read=".*"))
    elif watching.username:
        users[0]["tags"] = ["monitoring"]
    return {
        "vhosts": [{"name": vhost}],
        "users": users,
        "permissions": permissions,
        "policies": [
            {
                "vhost": vhost,
                "name": "onesheet-bounded",
                "pattern": f"^({RIGHTS})$",
                "apply-to": "queues",
                "priority": 0,
                "definition": {"max-length-bytes": BYTES_OF_A_QUEUE},
            }
        ],
    }


def _user(name: str, password: str, tag: str, salt: bytes | None) -> dict[str, object]:
    seasoned = salt or os.urandom(SALT_BYTES)
    digest = hashlib.sha256(seasoned + password.encode()).digest()
    return {
        "name": name,
        "password_hash": base64.b64encode(seasoned + digest).decode(),
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": [tag] if tag else [],
    }


def _permission(user: str, vhost: str, pattern: str, *, read: str | None = None) -> dict[str, object]:
    return {"user": user, "vhost": vhost, "configure": pattern, "write": pattern, "read": read or pattern}

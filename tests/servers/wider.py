"""The services with a kind and two forms of path more than they have, as `python -m tests.servers.wider`.

`STARTS` is the module that is started so: a service, all of them, or what writes nginx's vocabulary.
"""

import os
import sys
from dataclasses import replace
from functools import partial
from importlib import import_module

from shared.pictures.name import Kind, Role

KIND = "channel"


def _one_more_kind() -> Kind:
    """As one more line in `Kind` would make it. Before anything has been made of the kinds that there are."""
    member = str.__new__(Kind, KIND)
    member._name_, member._value_ = KIND.upper(), KIND
    Kind._member_names_.append(member.name)
    Kind._member_map_[member.name] = Kind._value2member_map_[KIND] = member
    return member


def _start(module: str) -> None:
    from shared.pictures.nginx_vocabulary import vocabulary  # noqa: PLC0415
    from shared.pictures.public_paths import PUBLIC_PATHS, FileForm, TmdbForm  # noqa: PLC0415 - see above

    wider = replace(
        PUBLIC_PATHS,
        forms=(
            *PUBLIC_PATHS.forms,
            FileForm("/data/{somebody}/banner_{id}.{format}", "A banner", Kind(KIND), Role.BANNER),
            TmdbForm("/pictures/of/tmdb/{size}/{file}", "As another program has them"),
        ),
    )
    if module == "shared.pictures.nginx_vocabulary":
        sys.stdout.write(vocabulary(wider))
        return
    from shared.process.start import start  # noqa: PLC0415

    main = import_module(f"{module}.__main__").main
    start(main if module == "services.fetcher" else partial(main, paths=wider))


if __name__ == "__main__":
    _one_more_kind()
    _start(os.environ["STARTS"])

"""What an item's pictures are called: by the id that most pages would ask for them with."""

from services.enricher.library.item import Item
from shared.pictures import Name, Role


def name_of(item: Item, role: Role) -> Name | None:
    """None where no provider's id of it is known."""
    ids = {"tmdb": item.tmdb_id, "imdb": item.imdb_id, "tvdb": item.tvdb_id}
    known = next((f"{provider}:{id_}" for provider, id_ in ids.items() if id_), None)
    return Name(item.media_type.kind, known, role) if known else None

"""TMDB (https://developer.themoviedb.org): each thing it can be asked for is a `Resource` with a model.

    movie = await tmdb.get(resources.movie(603, language="de"), turn)

Picture paths stay TMDB's own in the models. Serialised with a context they become whatever that makes of them:
`movie.model_dump(mode="json", context=PictureUrls(…))`, see `models.pictures`.
"""

from services.enricher.finder.providers.tmdb.resources import Resource, Tmdb, TmdbSettings, tmdb_address

__all__ = ["Resource", "Tmdb", "TmdbSettings", "tmdb_address"]

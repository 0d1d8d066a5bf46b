"""What TMDB sends, as far as pages show it. Ids and names must be there, all else may be missing."""

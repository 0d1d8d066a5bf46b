"""fanart.tv, version 3 (https://fanarttv.docs.apiary.io): pictures of movies and series, and nothing else."""

"""The fetcher: downloads pictures, checks them, renders them, commits them. The only writer of pictures."""

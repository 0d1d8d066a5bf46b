"""`m<number>_<what>.py`, each naming the one before. One that was released is never changed."""

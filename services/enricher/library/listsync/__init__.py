"""Taking over from ListSync: its items, lists and pictures, read from its database and its folder of pictures."""

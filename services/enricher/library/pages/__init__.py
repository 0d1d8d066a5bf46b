"""Pages: the library's items with what the providers say of them and the pictures to show beside them."""

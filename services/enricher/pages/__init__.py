"""The pages: the gallery and the operators' page, made of what the API answers."""

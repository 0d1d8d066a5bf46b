"""A provider that there is not: asked in GraphQL, with an application's key and an account's token."""

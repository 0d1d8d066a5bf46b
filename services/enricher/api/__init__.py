"""The HTTP API: endpoints that say what they take and answer, from which they are parsed and described."""

"""Hardcover (https://docs.hardcover.app/api): books, their covers and their characters, by GraphQL."""

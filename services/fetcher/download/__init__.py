"""Downloading: originals from where the policy lets us, as fast as their hosts want to be asked."""

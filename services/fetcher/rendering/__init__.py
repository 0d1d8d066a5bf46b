"""Rendering: originals checked, decoded and made into renditions, in processes that can be killed."""

"""The command line `onesheet`: a layer above the services, which it asks by their API, or composes over the files.

No service imports it, nor what it is made with.
"""

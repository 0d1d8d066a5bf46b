"""Matching: titles without ids are searched for by title and year.

    async with open_matching(library, database, metadata, providers, order=order) as matching:
        matching.soon(items)                 # those without ids, in the background
        matching.state_of(item)              # being looked for, unmatched, or neither
        await matching.unmatched(50, 0)      # with the candidates that an operator can choose from

An answer is taken only where it is clearly right: the same title, or one that the provider knows it by besides, the year
or the one beside it, and where several fit, one that is far more popular than the others.
"""

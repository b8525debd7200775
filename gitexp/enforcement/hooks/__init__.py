"""Git hooks: what each answers, one file for those that are alike, and how they are put in place.

Nothing here is imported together: a hook loads what it needs and no more.
"""

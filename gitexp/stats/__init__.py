"""What `compare` and `power` compute, as pure functions on arrays; not public.

Whatever cannot be tested is refused by a `DesignError`, never dropped or passed on as NaN: values
that are missing, not finite or too few, sides of different length, a share of a baseline that is
not positive, an alpha that is not a rate, values that do not fit their plan. Sources are
named by author and year, as `docs/statistics.md` lists them.
"""

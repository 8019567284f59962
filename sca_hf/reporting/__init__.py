"""How a dataset came to be, for people to look at: the report's page, and the life of one row.

Both read versions as they lie in a store, by names of columns and of facts in `lineage.json`. What an older version, or
a recipe without some stage, does not have is left out.
"""

"""What `lapsdata evaluate` scores: a task is one file, `PLUGIN` in it the function with its options.

A task of another distribution is an entry point of `lapsdata.tasks`.
"""

"""The assignments are run by tests/course, graded; not as notebooks among the others."""

collect_ignore = ["source"]

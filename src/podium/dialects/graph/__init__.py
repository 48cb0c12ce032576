"""Graphs of jobs as Podium itself has them, in YAML or JSON.

reading: from a document to the run it asks for, or to everything that is wrong with it.
functions: the Python functions of a document, in workers of their run.
dialect: all of it together.
"""

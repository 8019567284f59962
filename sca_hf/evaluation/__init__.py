"""Evaluates models: answers that are read or drawn, graded in jails, summed up, compared and kept."""

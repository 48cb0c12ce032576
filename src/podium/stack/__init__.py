"""Puts the parts of Podium together, and takes them apart again in good order."""

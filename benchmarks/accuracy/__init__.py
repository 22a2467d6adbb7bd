"""Accuracy of the defaults, of chosen settings and of updates, on seven sets of real ratings."""

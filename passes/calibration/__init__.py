"""Passes that fit or train parameters to the points; none here rounds."""

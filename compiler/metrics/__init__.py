"""One definition of each figure; nothing here runs a program to get it."""

"""The artefact: its segments, its file, how it runs; nothing here compiles one."""

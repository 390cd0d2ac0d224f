"""Units, integers and cores of a chip; nothing here is of one simulator or exporter."""

"""Where a network is evaluated: domain, orders, point files; nothing here runs a network."""

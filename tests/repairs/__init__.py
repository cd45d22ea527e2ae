"""What repairs give back on trained networks, in nats, as a record: `python -m repairs`."""
